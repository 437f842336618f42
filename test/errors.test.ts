import {
  BrokerPoolError,
  errorFromFailure,
  invalidArgument,
  printable,
  type Failure,
  textOf,
} from '../src/errors.js';
import test from './helpers/sanitary.js';

test('an error shows its name and code, also in its stack', (t) => {
  const error = new BrokerPoolError('TIMEOUT', 'too late');
  t.true(error instanceof Error);
  t.is(error.name, 'BrokerPoolError');
  t.is(error.code, 'TIMEOUT');
  t.is(error.message, 'too late');
  t.regex(error.stack ?? '', /too late/);
  t.is(String(error), 'BrokerPoolError: too late');
});

test('details that were not given are absent, not undefined', (t) => {
  for (const error of [
    new BrokerPoolError('ABORTED', 'x'),
    new BrokerPoolError('ABORTED', 'x', { endpoint: undefined, cause: undefined }),
  ]) {
    for (const name of [
      'endpoint',
      'phase',
      'refusalKind',
      'refusalCode',
      'retryAfterMs',
      'reason',
      'serviceName',
      'wantedVersion',
      'attempts',
      'elapsedMs',
      'cause',
    ])
      t.false(name in error, name);
  }
});

test('details that were given are there, zeros included', (t) => {
  const cause = new Error('why');
  const tried = {
    endpoint: '/a',
    serviceName: 'a',
    wantedVersion: '1.0.0',
    attempts: 0,
    elapsedMs: 0,
  } as const;
  const details = {
    ...tried,
    phase: 'hello',
    refusalKind: 'other',
    refusalCode: 0,
    retryAfterMs: 0,
    reason: '',
    cause,
  } as const;
  t.like(new BrokerPoolError('REFUSED', 'no', details), details);
});

test('a wrong argument is named first', (t) => {
  t.like(invalidArgument('max', 'must be a number'), {
    code: 'INVALID_ARGUMENT',
    message: 'max must be a number',
  });
});

test('a failure that came from another thread becomes the error it stands for', (t) => {
  const failure: Failure = {
    code: 'REFUSED',
    message: 'broker refused Hello',
    endpoint: '/b',
    refusalKind: 'rateLimited',
    refusalCode: 4,
    retryAfterMs: 250,
  };
  const error = errorFromFailure(structuredClone(failure));
  t.true(error instanceof BrokerPoolError);
  t.like(error, failure);
  t.false('cause' in error);
  t.is(error.phase, undefined);
});

test('the failed system call behind a failure becomes the cause, with its errno name', (t) => {
  const system = { code: 'ENOENT', syscall: 'connect', message: 'connect ENOENT /a' };
  const error = errorFromFailure({
    code: 'BROKER_CONNECT',
    message: 'failed to connect to broker',
    endpoint: '/a',
    system,
  });
  t.true(error.cause instanceof Error);
  t.like(error.cause, system);
  t.false('system' in error);
});

test('printable escapes control and format characters and keeps all others', (t) => {
  t.is(printable('Straße "a" \\ 日本 👍'), 'Straße "a" \\ 日本 👍');
  t.is(
    printable('a\nb\u001b[31mc\u007f\u0085\u2028\u202e\ud800'),
    'a\\u000ab\\u001b[31mc\\u007f\\u0085\\u2028\\u202e\\ud800',
  );
  t.is(printable('\u{e0041}'), '\\udb40\\udc41');
});

test('printable cuts after 200 characters, also inside a surrogate pair', (t) => {
  t.is(printable('x'.repeat(200)), 'x'.repeat(200));
  t.is(printable('x'.repeat(201)), `${'x'.repeat(200)}…`);
  t.is(printable(`${'x'.repeat(199)}👍`), `${'x'.repeat(199)}\\ud83d…`);
});

test('the text of what was thrown is the message of an error, and any other value as text', (t) => {
  t.deepEqual([new TypeError('broken'), 'why', 5, null, undefined].map(textOf), [
    'broken',
    'why',
    '5',
    'null',
    'undefined',
  ]);
});
