/** When connects are tried again, and what their pauses leave behind. */
import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.js';
import { BrokerPoolError } from '../../../src/errors.js';
import { addUnanswered } from '../../../src/negotiation/sockets/broker-requests.js';
import type { ConnectRequest } from '../../../src/pool/connecting/connect-request.js';
import { Retries, type FailedAttempt } from '../../../src/pool/connecting/retries.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { TARGET } from '../../helpers/pool-environment.js';
import test from '../../helpers/sanitary.js';

const KEY = 'target';
const DELAY_MS = 400;
const FINAL = new BrokerPoolError('BROKER_CONNECT', 'down');

/** A refusal that passes after a while. */
function busy(more: { readonly endpoint?: string; readonly retryAfterMs?: number } = {}): BrokerPoolError {
  return new BrokerPoolError('REFUSED', 'busy', {
    refusalCode: RefusalCode.RATE_LIMITED,
    retryAfterMs: DELAY_MS,
    ...more,
  });
}

/** The failure of a connect that was not begun, since the broker has left too much unanswered. */
function unanswered(endpoint: string): BrokerPoolError {
  const cause = Object.assign(new Error('no more are sent'), { code: 'EUNANSWERED' });
  return new BrokerPoolError('BROKER_CONNECT', 'unanswered', { endpoint, cause });
}

function setUp(mostAttempts?: number) {
  const clock = new FakeClock();
  const closing = new AbortController();
  const retries = new Retries(clock, mostAttempts, closing.signal);
  const waiters = { wantedUntilMs: clock.now() + 60_000 };
  const request: ConnectRequest = {
    target: TARGET,
    key: KEY,
    attempts: { begun: 0, ended: 0 },
    waiters,
    identityFile: undefined,
    hello: new Uint8Array(),
    adoptingHello: new Uint8Array(),
    maySkipHello: false,
    handoff: undefined,
    isCold: true,
    negotiation: undefined,
  };
  const failed: FailedAttempt[] = [];
  const world = { isWanted: true, startedMs: clock.now() };
  /** Tries again after a first error; the further attempts fail with these errors in turn, and then succeed. */
  const run = async (first: unknown, ...errors: unknown[]): Promise<string> => {
    const outcomes = [...errors];
    const beforeRetry = async (attempt: FailedAttempt): Promise<boolean> => {
      failed.push(attempt);
      await attempt.pause();
      return world.isWanted;
    };
    return await retries.run(request, world.startedMs, beforeRetry, first, () => {
      const error = outcomes.shift();
      return error === undefined ? Promise.resolve('connected') : Promise.reject(error);
    });
  };
  return { clock, closing, retries, waiters, failed, world, run };
}

test('a failure that is final stays the error that it is', async (t) => {
  const { run, failed } = setUp();
  t.is(await t.throwsAsync(run(FINAL)), FINAL);
  t.deepEqual(failed, []);
});

test('an error that does not come from connecting ends the attempts, and stays as it is', async (t) => {
  const { clock, run, failed } = setUp();
  const mistake = new TypeError('a mistake');
  const running = t.throwsAsync(run(busy(), mistake));
  clock.advance(DELAY_MS);
  t.is(await running, mistake);
  t.is(failed.length, 1);
});

test('a connect that is given up says after how many attempts, and after how long', async (t) => {
  const { clock, world, run } = setUp();
  world.startedMs = clock.now() - 100;
  const running = t.throwsAsync(run(busy(), FINAL));
  clock.advance(DELAY_MS);
  t.like(await running, { code: 'BROKER_CONNECT', message: 'down', attempts: 2, elapsedMs: 500 });
});

test('a connect for which no caller waits any more fails as it is, and one whose pause is too long says so', async (t) => {
  const { clock, waiters, run, failed } = setUp();
  for (const [wantedForMs, why] of [
    [-1_000, /^busy$/],
    [0, /^busy$/],
    [DELAY_MS, /no caller has time for the next attempt, which is due in 400 ms/],
  ] as const) {
    waiters.wantedUntilMs = clock.now() + wantedForMs;
    await t.throwsAsync(run(busy()), { code: 'REFUSED', message: why });
  }
  t.deepEqual(failed, []);
  waiters.wantedUntilMs = clock.now() + DELAY_MS + 1;
  const running = run(busy());
  clock.advance(DELAY_MS);
  t.is(await running, 'connected');
});

test('a connect that is not wanted after its pause fails as it did, and as the pool ends if that came meanwhile', async (t) => {
  for (const isClosed of [false, true]) {
    const { clock, closing, world, run } = setUp();
    world.isWanted = false;
    const running = t.throwsAsync(run(busy()));
    if (isClosed) closing.abort(new BrokerPoolError('POOL_CLOSED', 'the pool was closed'));
    else clock.advance(DELAY_MS);
    t.like(await running, { code: isClosed ? 'POOL_CLOSED' : 'REFUSED' });
    t.is(clock.pending, 0);
  }
});

test('a broker with too many unanswered requests is waited for however little time is left, as often as retry allows', async (t) => {
  const endpoint = '/retries/silent';
  const { clock, waiters, failed, run } = setUp(2);
  waiters.wantedUntilMs = clock.now() + 1;
  const answered = [1, 2].map(() => addUnanswered(endpoint, systemClock.now() + 20_000));
  const running = t.throwsAsync(run(unanswered(endpoint), unanswered(endpoint)));
  const delayMs = failed[0]?.delayMs ?? 0;
  t.true(delayMs > 10_000 && delayMs <= 20_000, 'until the oldest request is given up');
  answered[0]?.();
  t.like(await running, { code: 'BROKER_CONNECT', attempts: 2 });
  t.is(failed.length, 1);
  answered[1]?.();
});

test('an answer of the broker ends no pause that does not wait for it', async (t) => {
  const endpoint = '/retries/answers';
  const { clock, run } = setUp();
  const answered = addUnanswered(endpoint, systemClock.now() + 20_000);
  const running = run(busy({ endpoint }));
  answered();
  await turn();
  t.is(clock.pending, 1);
  clock.advance(DELAY_MS);
  t.is(await running, 'connected');
});

test('retryNow ends every pause of its target, and of no other', async (t) => {
  const { clock, retries, run } = setUp();
  const running = [run(busy()), run(busy({ retryAfterMs: 2 * DELAY_MS })), run(busy())];
  retries.retryNow('another target');
  t.is(clock.pending, 3);
  clock.advance(DELAY_MS);
  t.is(clock.pending, 1);
  retries.retryNow(KEY);
  t.is(clock.pending, 0);
  t.deepEqual(await Promise.all(running), ['connected', 'connected', 'connected']);
});

test('a pause that is over leaves nothing behind: no timer, no listener, and no part in the next pause', async (t) => {
  const endpoint = '/retries/rest';
  const { clock, closing, retries, run } = setUp();
  const cancelled: number[] = [];
  const schedule = clock.schedule.bind(clock);
  clock.schedule = (delayMs, callback) => {
    const cancel = schedule(delayMs, callback);
    return () => {
      cancelled.push(delayMs);
      cancel();
    };
  };
  const answered = addUnanswered(endpoint, systemClock.now() + 20_000);
  const first = run(unanswered(endpoint));
  retries.retryNow(KEY);
  t.is(await first, 'connected');
  t.is(getEventListeners(closing.signal, 'abort').length, 0);
  const second = run(busy());
  cancelled.length = 0;
  answered();
  t.deepEqual(cancelled, [], 'the first pause does not end twice');
  retries.retryNow(KEY);
  t.deepEqual(cancelled, [DELAY_MS], 'the second one ends');
  t.is(await second, 'connected');
  retries.retryNow(KEY);
  t.deepEqual(cancelled, [DELAY_MS], 'once');
});
