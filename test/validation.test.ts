import test from './helpers/sanitary.js';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { BrokerPoolError } from '../src/errors.js';
import { LONGEST_TIMER_MS } from '../src/clock.js';
import {
  checkAbsolutePath,
  checkBoolean,
  checkCount,
  checkDurationMs,
  checkName,
  checkFunction,
  checkServiceName,
  checkSignal,
  checkText,
  checkUserHash,
  checkVersion,
  rejectUnknownOptions,
} from '../src/validation.js';

function refuses(t: ExecutionContext, check: () => unknown, message?: string | RegExp): void {
  t.throws(check, {
    instanceOf: BrokerPoolError,
    code: 'INVALID_ARGUMENT',
    ...(message !== undefined && { message }),
  });
}

/** A call as plain JavaScript can make it, past the types. */
function callUntyped(check: (...parameters: never[]) => unknown, ...parameters: unknown[]): unknown {
  return Reflect.apply(check, undefined, parameters);
}

function accept(): boolean {
  return true;
}

const digits = fc.stringMatching(/^[0-9]{1,12}$/);
const notText = [undefined, null, 1, true, 2n, {}, ['a'], () => 'a', Symbol('a')];

test('a service name is 1 to 64 of a-z, 0-9 and hyphens, wherever the hyphens stand (N-20)', (t) => {
  const names = fc.stringMatching(/^[a-z0-9-]{1,64}$/);
  fc.assert(fc.property(names, (name) => checkServiceName('serviceName', name) === name));
  for (const name of ['-', '--a--', 'z'.repeat(64), '0']) t.is(checkServiceName('serviceName', name), name);
});

test('a service name with any other character, too long or empty is refused (N-20)', (t) => {
  for (const name of [
    '',
    'a'.repeat(65),
    'Zccache',
    'a_b',
    'a.b',
    'a b',
    'ä',
    'a\n',
    'a/../b',
    'a\0',
    ...notText,
  ]) {
    refuses(
      t,
      () => checkServiceName('serviceName', name),
      /^serviceName must be 1 to 64 characters of a-z, 0-9 and "-", got /,
    );
  }
});

test('a version is three numbers and an optional pre-release (N-22)', (t) => {
  const tail = fc.stringMatching(/^[a-z0-9.]{1,20}$/);
  const versions = fc
    .tuple(digits, digits, digits, fc.option(tail))
    .map(([major, minor, patch, rest]) => `${major}.${minor}.${patch}${rest === null ? '' : `-${rest}`}`);
  fc.assert(fc.property(versions, (version) => checkVersion('wantedVersion', version) === version));
  for (const version of ['0.0.0', '007.08.09', '1.2.3-.', '1.2.3-rc.1'])
    t.is(checkVersion('wantedVersion', version), version);
});

test('other forms of version are refused (N-22)', (t) => {
  const others = [
    '',
    '1',
    '1.2',
    '1.2.3.4',
    'v1.2.3',
    '1.2.3-',
    '1.2.3-a-b',
    '1.2.3-RC',
    '1.2.3+build',
    ' 1.2.3',
    '1.2.3\n',
    '１.2.3',
  ];
  for (const version of [...others, '../1.2.3', '1.2.3;ls', ...notText]) {
    refuses(
      t,
      () => checkVersion('wantedVersion', version),
      /^wantedVersion must be a version such as 1\.2\.3/,
    );
  }
});

test('a version has at most 64 bytes (V-52)', (t) => {
  const longest = `1.2.3-${'a'.repeat(58)}`;
  t.is(checkVersion('wantedVersion', longest), longest);
  refuses(t, () => checkVersion('wantedVersion', `${longest}a`));
});

test('a user hash is exactly 16 lowercase hex digits (N-21)', (t) => {
  t.is(checkUserHash('userHash', '0123456789abcdef'), '0123456789abcdef');
  for (const hash of [
    '',
    '0123456789abcde',
    '0123456789abcdef0',
    '0123456789ABCDEF',
    '0123456789abcdeg',
    '0123456789abcdef\n',
    7,
  ]) {
    refuses(t, () => checkUserHash('userHash', hash), /^userHash must be 16 lowercase hex digits, got /);
  }
});

test('text is measured in bytes of UTF-8, may be empty, and must not have half a character', (t) => {
  t.is(checkText('clientVersion', '', 4), '');
  t.is(checkText('clientVersion', 'éé', 4), 'éé');
  refuses(
    t,
    () => checkText('clientVersion', 'ééé', 4),
    'clientVersion must be a string of at most 4 bytes, got "ééé"',
  );
  for (const value of notText)
    refuses(t, () => checkText('clientVersion', value, 4), /^clientVersion must be a string/);
  refuses(
    t,
    () => checkText('clientVersion', '\ud83d', 4),
    /^clientVersion must be well-formed Unicode, got /,
  );
});

test('a duration is a positive number that a timer can take', (t) => {
  const durations = fc.double({ min: 0, minExcluded: true, max: LONGEST_TIMER_MS, noNaN: true });
  fc.assert(fc.property(durations, (duration) => checkDurationMs('acquireTimeoutMs', duration) === duration));
  for (const duration of [
    0,
    -0,
    -1,
    Number.NaN,
    Infinity,
    -Infinity,
    LONGEST_TIMER_MS + 1,
    '30',
    30n,
    null,
    undefined,
    {},
  ]) {
    refuses(
      t,
      () => checkDurationMs('acquireTimeoutMs', duration),
      /^acquireTimeoutMs must be a number of milliseconds above 0 up to 2147483647, got /,
    );
  }
});

test('zero and Infinity are durations only where they are allowed', (t) => {
  t.is(checkDurationMs('leakThresholdMs', 0, { allowZero: true }), 0);
  t.is(checkDurationMs('idleTimeoutMs', Infinity, { allowInfinity: true }), Infinity);
  refuses(
    t,
    () => checkDurationMs('idleTimeoutMs', 0, { allowInfinity: true }),
    /above 0 up to 2147483647, or Infinity, got 0$/,
  );
  refuses(
    t,
    () => checkDurationMs('leakThresholdMs', Infinity, { allowZero: true }),
    /from 0 up to 2147483647, got Infinity$/,
  );
  refuses(t, () => checkDurationMs('a', -Infinity, { allowZero: true, allowInfinity: true }));
});

test('a count is a whole number from its minimum on', (t) => {
  fc.assert(fc.property(fc.maxSafeNat(), (count) => checkCount('min', count, { min: 0 }) === count));
  t.is(checkCount('max', Infinity, { min: 1, allowInfinity: true }), Infinity);
  for (const count of [0, -1, 1.5, Number.NaN, 2 ** 53, Infinity, -Infinity, '3', 3n, true, undefined]) {
    refuses(t, () => checkCount('max', count, { min: 1 }), /^max must be a whole number of at least 1, got /);
  }
});

test('truthy values are not booleans', (t) => {
  t.true(checkBoolean('json', true));
  t.false(checkBoolean('json', false));
  for (const value of [1, 0, 'true', '', null, undefined, {}])
    refuses(t, () => checkBoolean('json', value), /^json must be true or false, got /);
});

test('checkFunction returns a function and refuses other values', (t) => {
  t.is(checkFunction('validate', accept), accept);
  for (const value of ['accept', null, undefined, {}, true]) {
    refuses(t, () => callUntyped(checkFunction, 'validate', value), /^validate must be a function, got /);
  }
});

test('an abort signal is recognised by its members, so that those of other realms work', (t) => {
  const { signal } = new AbortController();
  t.is(checkSignal('signal', signal), signal);
  const foreign = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
  t.is<unknown, unknown>(checkSignal('signal', foreign), foreign);
  for (const value of [
    new AbortController(),
    { aborted: false },
    new EventTarget(),
    null,
    undefined,
    'abort',
  ]) {
    refuses(t, () => checkSignal('signal', value), /^signal must be an AbortSignal, got /);
  }
});

test('a signal that lacks one of the parts a pool calls, or throws for it, is refused', (t) => {
  const whole = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
  const throws = (): never => {
    throw new Error('a getter');
  };
  for (const part of ['aborted', 'addEventListener', 'removeEventListener'] as const) {
    const { [part]: _, ...rest } = whole;
    const hostile = Object.defineProperty({ ...whole }, part, { get: throws });
    for (const value of [rest, { ...whole, [part]: 'no' }, hostile])
      refuses(t, () => checkSignal('signal', value), /^signal must be an AbortSignal, got /);
  }
});

const known = ['max', 'min', 'maxUses', 'minUses', 'idleTimeoutMs'] as const;

function reject(options: unknown): unknown {
  return callUntyped(rejectUnknownOptions, 'options', options, known);
}

test('options with known names, or none, are accepted', (t) => {
  for (const options of [{ max: 1, idleTimeoutMs: 2 }, {}]) t.notThrows(() => reject(options));
});

test('an unknown option is refused, and the name that was meant is suggested if that is obvious', (t) => {
  const suggestions = [
    ['mx', 'max'],
    ['MaxUses', 'maxUses'],
    ['idleTimeout', 'idleTimeoutMs'],
    ['idleTimoutMs', 'idleTimeoutMs'],
    ['idelTimeoutMs', 'idleTimeoutMs'],
  ] as const;
  for (const [given, meant] of suggestions) {
    refuses(
      t,
      () => reject({ max: 1, [given]: 5 }),
      `options has no option "${given}"; did you mean ${meant}?`,
    );
  }
  // The last is as near to minUses as to maxUses.
  for (const given of ['colour', 'm', 'toString', '', 'xx', 'mUses']) {
    refuses(t, () => reject({ [given]: 5 }), `options has no option "${given}"; it has ${known.join(', ')}`);
  }
});

test('the refusal of an unknown option lists no names where there are more than twelve', (t) => {
  const names = Array.from({ length: 12 }, (_, index) => `name${index}`);
  const message = 'options has no option "colour"';
  const call = (all: readonly string[]) => () =>
    callUntyped(rejectUnknownOptions, 'options', { colour: 1 }, all);
  refuses(t, call(names), `${message}; it has ${names.join(', ')}`);
  refuses(t, call([...names, 'name12']), message);
});

test('one slip of the finger in a long option name is always recognised', (t) => {
  const slips = fc
    .tuple(fc.nat('idleTimeoutMs'.length - 1), fc.constantFrom('', 'q', 'qz'))
    .map(([at, instead]) => {
      return `${'idleTimeoutMs'.slice(0, at)}${instead}${'idleTimeoutMs'.slice(at + 1)}`;
    });
  fc.assert(
    fc.property(slips, (slip) => {
      const error = t.throws<BrokerPoolError>(() => reject({ [slip]: 1 }));
      return error.message.endsWith('did you mean idleTimeoutMs?');
    }),
  );
});

test('options that are not an object are refused', (t) => {
  for (const value of [undefined, null, 'max', 5, true, [], new Map([['max', 5]]), () => {}]) {
    refuses(t, () => reject(value), /^options must be an object, got /);
  }
});

test('error messages stay on one line, cut long strings and show no content of objects', (t) => {
  const got = (value: unknown): string => {
    const error = t.throws<BrokerPoolError>(() => checkServiceName('serviceName', value));
    return error.message.slice(error.message.indexOf('got ') + 4);
  };
  t.is(got('a\nb"c'), '"a\\nb\\"c"');
  t.is(got('x'.repeat(1_000)), `"${'x'.repeat(80)}…"`);
  t.is(got({ password: 'hunter2' }), 'an object');
  t.is(got(['hunter2']), 'an array');
  t.is(
    got(() => 'hunter2'),
    'a function',
  );
  t.is(got(Symbol('hunter2')), 'a symbol');
  t.is(got(undefined), 'undefined');
  t.is(got(null), 'null');
  t.is(got(12), '12');
});

test('a file is named by an absolute path of its platform, without NUL', (t) => {
  for (const platform of ['linux', 'darwin'] as const) {
    t.is(checkAbsolutePath('file', '/a/b c', platform), '/a/b c');
    for (const value of ['', 'a', './a', '~/a', 'C:\\a', '/a\0', ...notText])
      refuses(t, () => checkAbsolutePath('file', value, platform), /^file must be an absolute path/);
  }
  t.is(checkAbsolutePath('file', 'C:\\a', 'win32'), 'C:\\a');
  for (const value of ['', 'a', 'C:a'])
    refuses(t, () => checkAbsolutePath('file', value, 'win32'), /^file must be an absolute path/);
});

test('a name is one of those allowed; an object that converts to one is refused', (t) => {
  t.is(checkName('verb', 'STATUS', ['STATUS', 'DUMP']), 'STATUS');
  for (const value of ['status', 'toString', ['STATUS'], new String('STATUS'), 5n, ...notText]) {
    refuses(t, () => checkName('verb', value, ['STATUS', 'DUMP']), /^verb must be one of STATUS, DUMP, got /);
  }
});
