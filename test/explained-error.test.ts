import { BrokerPoolError, type ErrorCode, type ErrorDetails } from '../src/errors.js';
import { explainedError } from '../src/explained-error.js';
import test from './helpers/sanitary.js';

const TRIED = {
  brokerEndpoint: '/run/broker.sock',
  serviceName: 'echo',
  wantedVersion: '1.0.0',
  attempts: 3,
  elapsedMs: 148.4,
};

function messageOf(
  code: ErrorCode,
  details: ErrorDetails = {},
  tried: Partial<typeof TRIED> = TRIED,
): string {
  return explainedError(new BrokerPoolError(code, 'what happened', details), { elapsedMs: 0, ...tried })
    .message;
}

test('a message names the failure, the service, the broker, the attempts, the time and the advice', (t) => {
  const expected =
    'what happened (echo 1.0.0 at /run/broker.sock, 3 attempts in 148 ms). Start the broker, or correct brokerEndpoint.';
  t.is(messageOf('BROKER_CONNECT'), expected);
});

test('the fields are those of the failure and of the attempt', (t) => {
  const refusal = {
    refusalKind: 'rateLimited',
    refusalCode: 4,
    retryAfterMs: 20,
    reason: 'busy',
    endpoint: '/run/broker.sock',
  } as const;
  const error = explainedError(new BrokerPoolError('REFUSED', 'no', refusal), TRIED);
  t.like(error, {
    ...refusal,
    code: 'REFUSED',
    serviceName: 'echo',
    wantedVersion: '1.0.0',
    attempts: 3,
    elapsedMs: 148,
  });
});

test("the endpoint is the one of the failure, else the broker's", (t) => {
  t.is(
    explainedError(new BrokerPoolError('BACKEND_CONNECT', 'x', { endpoint: '/run/backend.sock' }), TRIED)
      .endpoint,
    '/run/backend.sock',
  );
  t.is(explainedError(new BrokerPoolError('ABORTED', 'x'), TRIED).endpoint, '/run/broker.sock');
});

test('an abstract name is shown with an @, and control characters are escaped', (t) => {
  t.regex(messageOf('BROKER_CONNECT', {}, { ...TRIED, brokerEndpoint: '\0name\u001b' }), /at @name\\u001b,/);
});

test('each refusal, phase and failure of a connect has its advice', (t) => {
  const advice = new Set<string>();
  const codes: readonly ErrorCode[] = [
    'BACKEND_CONNECT',
    'BROKER_CONNECT',
    'DECODE_FRAME',
    'EMPTY_BACKEND_PIPE',
    'FRAME_IO',
    'MISSING_HELLO_REPLY_RESULT',
    'POOL_CLOSED',
    'QUEUE_FULL',
    'UNEXPECTED_EOF',
    'VALIDATION_FAILED',
    'WORKER_FAILED',
  ];
  for (const code of codes) advice.add(messageOf(code));
  for (const phase of ['queue', 'connect', 'hello', 'validate'] as const)
    advice.add(messageOf('TIMEOUT', { phase }));
  for (let refusalCode = 0; refusalCode < 10; refusalCode++)
    advice.add(messageOf('REFUSED', { refusalCode }));
  t.is(advice.size, codes.length + 4 + 10);
  for (const message of advice) t.regex(message, /ms\)\. .+\.$/);
});

test('a backend that is not registered has the advice to check the version', (t) => {
  t.regex(messageOf('REFUSED', { refusalCode: 3 }), /of this version .* check wantedVersion/);
});

test("an error about a stranger's socket points to the rules of trust", (t) => {
  const cause = Object.assign(new Error('x'), { code: 'EUNTRUSTED' });
  t.regex(messageOf('BROKER_CONNECT', { cause }), /docs\/security\.md/);
});

test('an error of a call without a service names none', (t) => {
  const error = explainedError(new BrokerPoolError('ABORTED', 'aborted'), {
    brokerEndpoint: '/b',
    elapsedMs: 1,
    action: 'STATUS',
    attempts: 1,
  });
  t.is(error.message, 'aborted (STATUS at /b, 1 attempt in 1 ms).');
  for (const name of ['serviceName', 'wantedVersion', 'reason', 'phase']) t.false(name in error, name);
});

test('an invalid argument keeps its message', (t) => {
  const mistake = new BrokerPoolError('INVALID_ARGUMENT', 'max must be a number');
  const told: BrokerPoolError = explainedError(mistake, TRIED);
  t.is(told, mistake);
});
