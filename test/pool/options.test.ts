import type { ExecutionContext } from 'ava';
import { clientTimeoutFromEnv } from '../../src/broker-options/environment.js';
import { sharedBrokerEndpoint } from '../../src/broker-options/endpoints.js';
import { BrokerPoolError } from '../../src/errors.js';
import {
  allPoolOptions,
  checkAcquireOptions,
  checkCloseOptions,
  checkPoolOptions,
  checkTargetOptions,
} from '../../src/pool/options.js';
import { LONGEST_TIMER_MS } from '../../src/clock.js';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { onWine, testWhere, USER_ID } from '../helpers/test-where.js';

const brokerEndpoint = endpointIn('/run', 'broker');

function refuses(t: ExecutionContext, check: () => unknown, message: RegExp): void {
  t.throws(check, { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT', message });
}

/** Options as plain JavaScript can give them, past the types. */
function poolOptions(options: Readonly<Record<string, unknown>>): unknown {
  return checkPoolOptions({ brokerEndpoint, ...options });
}

testWhere(!onWine, USER_ID)(
  "without options a pool has the documented defaults and the user's shared broker",
  (t) => {
    t.like(checkPoolOptions({}), {
      brokerEndpoint: sharedBrokerEndpoint(),
      serviceName: undefined,
      wantedVersion: undefined,
      selfVersion: undefined,
      max: 10,
      min: 0,
      maxTotal: Infinity,
      acquireTimeoutMs: 30_000,
      maxWaiting: Infinity,
      maxConnecting: 2,
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 1_800_000,
      maxUses: Infinity,
      validateAfterIdleMs: 500,
      validateTimeoutMs: 1_000,
      validate: undefined,
      keepaliveMs: Infinity,
      leakThresholdMs: 0,
      testSeams: false,
      handoffToken: false,
      adoptHandedOffConnection: false,
      handoffReadyTimeoutMs: 2_000,
      roundTripTimeoutMs: clientTimeoutFromEnv(),
      endpointCache: { max: 256, ttlMs: 0 },
    });
  },
);

test('an option that is undefined has the default of one that is left out', (t) => {
  const names = Object.keys(allPoolOptions);
  const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
  t.deepEqual(poolOptions({ ...nothing, brokerEndpoint }), checkPoolOptions({ brokerEndpoint }));
  t.deepEqual(
    poolOptions({ endpointCache: { max: undefined, ttlMs: undefined } }),
    checkPoolOptions({ brokerEndpoint }),
  );
});

test('checkPoolOptions keeps right values as they are', (t) => {
  const given = {
    brokerEndpoint,
    serviceName: 'zccache',
    wantedVersion: '1.2.3',
    selfVersion: 'any string',
    clientVersion: 'x'.repeat(128),
    clientLibName: '',
    clientLibVersion: 'é'.repeat(32),
    clientKeepaliveSecs: 0,
    handoffToken: true,
    testSeams: true,
    max: 1,
    acquireTimeoutMs: 0.5,
    maxWaiting: 0,
    maxConnecting: 7,
    idleTimeoutMs: Infinity,
    maxLifetimeMs: LONGEST_TIMER_MS,
    maxUses: 1,
    validate: () => true,
    validateTimeoutMs: 20,
    adoptHandedOffConnection: true,
    handoffReadyTimeoutMs: 1,
    roundTripTimeoutMs: 1,
    endpointCache: { max: 1, ttlMs: 5 },
  };
  t.like(checkPoolOptions(given), given);
});

test('options without a limit may be given as Infinity', (t) => {
  const given = {
    maxTotal: Infinity,
    maxWaiting: Infinity,
    idleTimeoutMs: Infinity,
    maxLifetimeMs: Infinity,
    maxUses: Infinity,
    keepaliveMs: Infinity,
    retry: { attempts: Infinity },
  };
  t.like(poolOptions({ ...given, validate: () => true }), given);
});

test('the endpoint cache may be switched off, or given in part', (t) => {
  t.is(checkPoolOptions({ brokerEndpoint, endpointCache: false }).endpointCache, undefined);
  for (const [given, checked] of [
    [{}, { max: 256, ttlMs: 0, file: undefined }],
    [{ max: 3 }, { max: 3, ttlMs: 0, file: undefined }],
    [{ ttlMs: 9 }, { max: 256, ttlMs: 9, file: undefined }],
    [{ file: '/c/f' }, { max: 256, ttlMs: 0, file: '/c/f' }],
  ])
    t.deepEqual(checkPoolOptions({ brokerEndpoint, endpointCache: given }).endpointCache, checked);
  t.deepEqual(poolOptions({ endpointCache: { file: undefined } }), checkPoolOptions({ brokerEndpoint }));
});

const wrongForAll = [null, '1', true, Number.NaN, -1, {}, 1n];
const durations = ['acquireTimeoutMs', 'validateTimeoutMs', 'handoffReadyTimeoutMs', 'roundTripTimeoutMs'];
const endlessDurations = ['idleTimeoutMs', 'maxLifetimeMs'];

/** For each option, values that can never work. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  brokerEndpoint: [
    null,
    '',
    1,
    ...(process.platform === 'win32' ? [] : ['relative.sock', `/${'a'.repeat(200)}`]),
  ],
  serviceName: [null, '', 'Upper', 'a'.repeat(65)],
  wantedVersion: [null, '', '1.2', 'v1.2.3'],
  selfVersion: [null, 1],
  clientVersion: [null, 1, 'x'.repeat(129)],
  clientLibName: [null, 1, 'é'.repeat(33)],
  clientLibVersion: [null, 1, 'x'.repeat(65)],
  clientKeepaliveSecs: [...wrongForAll, 1.5, Infinity],
  handoffToken: [null, 0, 'true', 'auto'],
  testSeams: [null, 0, 'true'],
  max: [...wrongForAll, 0, 1.5, Infinity],
  maxConnecting: [...wrongForAll, 0, 1.5, Infinity],
  maxWaiting: [...wrongForAll, 1.5],
  maxUses: [...wrongForAll, 0, 1.5],
  adoptHandedOffConnection: [null, 0, 1, 'true'],
  endpointCache: [null, true, 256, 'off', []],
  ...Object.fromEntries(durations.map((name) => [name, [...wrongForAll, 0, Infinity, LONGEST_TIMER_MS + 1]])),
  ...Object.fromEntries(endlessDurations.map((name) => [name, [...wrongForAll, 0, LONGEST_TIMER_MS + 1]])),
};

for (const [name, values] of Object.entries(WRONG)) {
  test(`checkPoolOptions refuses a wrong ${name} by its name`, (t) => {
    for (const value of values) refuses(t, () => poolOptions({ [name]: value }), new RegExp(`^${name} `));
  });
}

test('min may be as large as max and maxTotal, and no larger', (t) => {
  t.notThrows(() => poolOptions({ min: 4, max: 4 }));
  t.notThrows(() => poolOptions({ min: 4, max: 5, maxTotal: 4 }));
  refuses(t, () => poolOptions({ min: 5, max: 4 }), /^min must not be above max, which is 4, got 5$/);
  refuses(
    t,
    () => poolOptions({ min: 5, max: 9, maxTotal: 4 }),
    /^min must not be above maxTotal, which is 4, got 5$/,
  );
});

for (const [name, value, other, given] of [
  ['validateAfterIdleMs', 500, 'validate', () => true],
  ['validateTimeoutMs', 9, 'validate', () => true],
  ['keepaliveMs', 9, 'validate', () => true],
  ['handoffReadyTimeoutMs', 9, 'adoptHandedOffConnection', 'auto'],
] as const) {
  test(`${name} without ${other} is refused with both names`, (t) => {
    const message = new RegExp(`^${name} needs ${other}, .*: give ${other} too, or leave ${name} out$`);
    refuses(t, () => poolOptions({ [name]: value }), message);
    refuses(t, () => poolOptions({ [name]: value, [other]: undefined }), message);
    t.like(poolOptions({ [name]: value, [other]: given }), { [name]: value, [other]: given });
    t.notThrows(() => poolOptions({ [name]: undefined }));
  });
}

test('handoffReadyTimeoutMs may stand beside an adoption that is switched off', (t) => {
  const options = { handoffReadyTimeoutMs: 9, adoptHandedOffConnection: false };
  t.like(poolOptions(options), options);
});

test('no keepalive may be asked for without validate', (t) => {
  t.like(poolOptions({ keepaliveMs: Infinity }), { keepaliveMs: Infinity });
});

test('adoptHandedOffConnection may be "auto", and a wrong text is refused with the texts that may be given', (t) => {
  t.like(poolOptions({ adoptHandedOffConnection: 'auto' }), { adoptHandedOffConnection: 'auto' });
  refuses(
    t,
    () => poolOptions({ adoptHandedOffConnection: 'never' }),
    /^adoptHandedOffConnection must be true, false or "auto", got "never"$/,
  );
});

test('0 may be given where it switches something off', (t) => {
  const given = { min: 0, maxWaiting: 0, validate: () => true, validateAfterIdleMs: 0, leakThresholdMs: 0 };
  t.like(poolOptions(given), given);
});

test('checkPoolOptions refuses wrong options of the endpoint cache by their names', (t) => {
  for (const max of [...wrongForAll, 0, 1.5, Infinity])
    refuses(t, () => poolOptions({ endpointCache: { max } }), /^endpointCache\.max /);
  for (const ttlMs of [...wrongForAll, Infinity])
    refuses(t, () => poolOptions({ endpointCache: { ttlMs } }), /^endpointCache\.ttlMs /);
  refuses(t, () => poolOptions({ endpointCache: { ttl: 5 } }), /^endpointCache has no option "ttl"/);
  for (const file of [...wrongForAll, '', 'cache.json', './cache.json'])
    refuses(
      t,
      () => poolOptions({ endpointCache: { file } }),
      /^endpointCache\.file must be an absolute path/,
    );
});

test('checkPoolOptions says that an option may be false where it may', (t) => {
  for (const name of ['retry', 'endpointCache'])
    for (const [value, got] of [
      [true, 'true'],
      [null, 'null'],
      [[], 'an array'],
    ])
      refuses(
        t,
        () => Reflect.apply(checkPoolOptions, undefined, [{ brokerEndpoint, [name]: value }]),
        new RegExp(`^${name} must be an object or false, got ${String(got)}$`),
      );
});

test('checkPoolOptions refuses an unknown option and suggests a similar name', (t) => {
  refuses(t, () => poolOptions({ maxUse: 3 }), /^options has no option "maxUse"; did you mean maxUses\?$/);
  refuses(t, () => poolOptions({ evictor: true }), /^options has no option "evictor"$/);
  for (const options of [null, [], 'fast'])
    refuses(t, () => Reflect.apply(checkPoolOptions, undefined, [options]), /^options must be an object/);
});

test("the environment sets the round trip's limit where the options do not (C-28)", (t) => {
  const name = 'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS';
  const before = process.env[name];
  process.env[name] = '1234';
  try {
    t.is(checkPoolOptions({ brokerEndpoint }).roundTripTimeoutMs, 1_234);
    t.is(checkPoolOptions({ brokerEndpoint, roundTripTimeoutMs: 5 }).roundTripTimeoutMs, 5);
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
});

test('acquire takes a signal, a time and a target, and refuses wrong values and other options', (t) => {
  t.notThrows(() => checkAcquireOptions({}));
  t.notThrows(() =>
    checkAcquireOptions({
      signal: AbortSignal.abort(),
      timeoutMs: 0.5,
      serviceName: 'a',
      wantedVersion: '1.2.3',
    }),
  );
  for (const timeoutMs of [0, -1, Infinity, Number.NaN])
    refuses(t, () => checkAcquireOptions({ timeoutMs }), /^timeoutMs /);
  const wrong = (options: object) => () => Reflect.apply(checkAcquireOptions, undefined, [options]);
  refuses(t, wrong({ signal: new AbortController() }), /^signal must be an AbortSignal/);
  refuses(t, wrong({ signal: null }), /^signal must be an AbortSignal/);
  refuses(t, wrong({ timeout: 5 }), /^options has no option "timeout"/);
});

for (const check of [checkAcquireOptions, checkTargetOptions]) {
  test(`${check.name} refuses a wrong service or version by its name`, (t) => {
    for (const serviceName of [null, '', 'Mine'])
      refuses(t, () => Reflect.apply(check, undefined, [{ serviceName }]), /^serviceName must be/);
    for (const wantedVersion of [null, '2'])
      refuses(t, () => Reflect.apply(check, undefined, [{ wantedVersion }]), /^wantedVersion must be/);
  });
}

test('close takes a time of 0, and refuses negative and infinite ones', (t) => {
  t.is(checkCloseOptions({}), 30_000);
  t.is(checkCloseOptions({ timeoutMs: 0 }), 0);
  for (const timeoutMs of [-1, Infinity, Number.NaN])
    refuses(t, () => checkCloseOptions({ timeoutMs }), /^timeoutMs /);
});
