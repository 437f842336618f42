import { strictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { BrokerPoolError, type ErrorCode } from '../../src/errors.js';
import { retryDelayMs } from '../../src/pool/retry-policy.js';
import { RefusalCode } from '../../src/wire/messages.js';
import test from '../helpers/sanitary.js';

function refusal(refusalCode: number, retryAfterMs = 0): BrokerPoolError {
  return new BrokerPoolError('REFUSED', 'refused', { refusalCode, retryAfterMs });
}

/** Whether a refusal passes by itself. */
const PASSES: Readonly<Record<keyof typeof RefusalCode, boolean>> = {
  UNSPECIFIED: false,
  VERSION_UNSUPPORTED: false,
  SERVICE_UNKNOWN: false,
  BACKEND_SPAWN_FAILED: true,
  RATE_LIMITED: true,
  SHUTTING_DOWN: true,
  PEER_REJECTED: false,
  INTERNAL: false,
  VERSION_BLOCKED: false,
  FD_PRESSURE: true,
};

for (const [name, code] of Object.entries(RefusalCode)) {
  const passes = PASSES[name as keyof typeof RefusalCode];
  test(`a refusal with ${name} is ${passes ? 'tried again after the broker\'s pause' : 'final, whatever pause it names'} (X-24)`, (t) => {
    t.is(retryDelayMs(refusal(code, 30_000), 1, 0), passes ? 30_000 : undefined);
    t.is(retryDelayMs(refusal(code, 30_000), 50, 0), passes ? 30_000 : undefined);
  });
}

test('without a pause of the broker\'s it is our own, twice as long each time up to 5 s', (t) => {
  const pauses = [1, 2, 3, 8, 9, 10, 100, 5_000].map((attempt) => retryDelayMs(refusal(RefusalCode.RATE_LIMITED), attempt, 0));
  t.deepEqual(pauses, [20, 40, 80, 2_560, 5_000, 5_000, 5_000, 5_000]);
});

test('a broker\'s pause shorter than our own does not make us try more often', (t) => {
  t.is(retryDelayMs(refusal(RefusalCode.RATE_LIMITED, 1), 3, 0), 80);
});

test('a missing code counts as none known, a missing pause as none', (t) => {
  t.is(retryDelayMs(new BrokerPoolError('REFUSED', 'refused'), 1, 0), undefined);
  t.is(retryDelayMs(new BrokerPoolError('REFUSED', 'refused', { refusalCode: RefusalCode.RATE_LIMITED }), 1, 0), 20);
});

/** How often an error is worth another try. */
const TRIES: Readonly<Record<Exclude<ErrorCode, 'REFUSED'>, 0 | 1>> = {
  ABORTED: 0,
  BACKEND_CONNECT: 1,
  BROKER_CONNECT: 0,
  BROKER_DISABLED: 0,
  BROKER_DISABLE_ENV: 0,
  DECODE_ADMIN_REPLY: 0,
  DECODE_FRAME: 0,
  DECODE_HELLO_REPLY: 0,
  EMPTY_BACKEND_PIPE: 0,
  FRAME_IO: 0,
  FRAME_TOO_LARGE: 0,
  FRAMING_VERSION: 0,
  INVALID_ARGUMENT: 0,
  MISSING_HELLO_REPLY_RESULT: 0,
  POOL_CLEARED: 0,
  POOL_CLOSED: 0,
  QUEUE_FULL: 0,
  TIMEOUT: 0,
  UNEXPECTED_EOF: 1,
  UNEXPECTED_RESPONSE_FRAME: 0,
  WORKER_FAILED: 0,
};

for (const [code, tries] of Object.entries(TRIES) as [ErrorCode, 0 | 1][]) {
  test(`${code} is ${tries === 0 ? 'not tried again' : 'tried again once (X-25)'}`, (t) => {
    const error = new BrokerPoolError(code, 'failed');
    t.is(retryDelayMs(error, 1, 0), tries === 0 ? undefined : 20);
    t.is(retryDelayMs(error, 2, 0), undefined);
  });
}

test('chance makes a pause longer by a tenth at most, never shorter than the broker asked for', (t) => {
  const attempts = fc.integer({ min: 1, max: 2_000 });
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  t.notThrows(() => {
    fc.assert(
      fc.property(attempts, fc.nat(100_000), chance, (attempt, retryAfterMs, random) => {
        const error = refusal(RefusalCode.RATE_LIMITED, retryAfterMs);
        const shortest = retryDelayMs(error, attempt, 0) ?? Number.NaN;
        const delayMs = retryDelayMs(error, attempt, random) ?? Number.NaN;
        strictEqual(shortest >= retryAfterMs && delayMs >= shortest && delayMs <= shortest * 1.1, true, `${shortest} ${delayMs}`);
      }),
    );
  });
});
