import { BrokerPoolError } from '../src/index.js';
import { errorFromData, errorToData } from '../src/error-data.js';
import test from './helpers/sanitary.js';

function across(error: BrokerPoolError): BrokerPoolError {
  return errorFromData(structuredClone(errorToData(error)));
}

test('an error keeps its class and fields in the other thread', (t) => {
  const tried = {
    serviceName: 'demo',
    wantedVersion: '1.0.0',
    attempts: 3,
    elapsedMs: 40,
    reason: 'busy',
  } as const;
  const fields = {
    ...tried,
    endpoint: '/run/broker.sock',
    refusalKind: 'rateLimited',
    refusalCode: 5,
    retryAfterMs: 250,
  } as const;
  const error = across(new BrokerPoolError('REFUSED', 'not now', fields));
  t.true(error instanceof BrokerPoolError);
  t.like(error, { code: 'REFUSED', message: 'not now', name: 'BrokerPoolError', ...fields });
  t.false('phase' in error, 'a field that does not apply is not there');
  t.false('cause' in error);
});

test('an error keeps its cause: an error of this package, a system error or a value', (t) => {
  const system = Object.assign(new RangeError('connect ENOENT'), { code: 'ENOENT', syscall: 'connect' });
  const inner = new BrokerPoolError('BROKER_CONNECT', 'no broker', { cause: system });
  const error = across(new BrokerPoolError('TIMEOUT', 'too late', { phase: 'connect', cause: inner }));
  t.is(error.phase, 'connect');
  const { cause } = error;
  t.true(cause instanceof BrokerPoolError);
  t.is(cause instanceof BrokerPoolError && cause.code, 'BROKER_CONNECT');
  const root = cause instanceof Error ? cause.cause : undefined;
  t.like(root, { name: 'RangeError', message: 'connect ENOENT', code: 'ENOENT', syscall: 'connect' });
  t.is(across(new BrokerPoolError('ABORTED', 'given up', { cause: 'because' })).cause, 'because');
});

test('a circle of causes ends after a few', (t) => {
  const error = new BrokerPoolError('TIMEOUT', 'one');
  const other = new BrokerPoolError('TIMEOUT', 'two', { cause: error });
  Object.assign(error, { cause: other });
  t.is(across(error).message, 'one');
});
