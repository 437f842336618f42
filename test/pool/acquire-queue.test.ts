import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { CachedClock, SharedTimer } from '../../src/clock.js';
import { BrokerPoolError } from '../../src/errors.js';
import { AcquireQueue } from '../../src/pool/acquire-queue.js';
import type { Lease } from '../../src/pool/lease.js';
import { LeaseWatch } from '../../src/pool/watching/lease-watch.js';
import { fakePool, settled } from '../helpers/fake-pool.js';
import { poolEnvironment, TARGET } from '../helpers/pool-environment.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

const SNAPSHOT = {
  target: TARGET,
  max: 1,
  total: 0,
  idle: 0,
  leased: 0,
  detached: 0,
  connecting: 0,
  waiting: 1,
  attempts: 0,
};

function setUp() {
  const environment = poolEnvironment();
  const { clock } = environment;
  const ends: string[] = [];
  const cachedClock = new CachedClock(clock, () => {});
  const timer = new SharedTimer(
    clock,
    (dueByMs) => {
      cachedClock.end();
      expire(dueByMs);
    },
    () => queue.sweepAtMs,
  );
  const watch = new LeaseWatch(TARGET, environment, timer, () => {});
  const queue = new AcquireQueue(clock, cachedClock, timer, watch);
  const timeoutError = (timeoutMs: number) => new BrokerPoolError('TIMEOUT', `${timeoutMs} ms`);
  const expire = (dueByMs: number): boolean => queue.expire(dueByMs, timeoutError, () => SNAPSHOT);
  /** A caller waits, and it is noted how that ends and when. */
  const enter = (name: string, timeoutMs: number): void => {
    queue.enter(timeoutMs, undefined, 0).then(
      () => ends.push(`${name} served`),
      (error: BrokerPoolError) => ends.push(`${name} ${error.code} at ${clock.nowMs - 1_000}`),
    );
  };
  const pass = async (durationMs: number): Promise<void> => {
    clock.advance(durationMs);
    await turn();
  };
  return { clock, cachedClock, ends, queue, expire, enter, pass };
}

test('waiters are served in the order in which they came, each with the given connection', async (t) => {
  const { queue } = setUp();
  const waits = [queue.enter(100, undefined, 0), queue.enter(100, undefined, 0)];
  const connections = [pooledConnection(), pooledConnection()];
  for (const connection of connections) queue.serveFirst(connection);
  const leases: Lease[] = await Promise.all(waits);
  t.deepEqual(
    leases.map(({ connectionId }) => connectionId),
    connections.map(({ id }) => id),
  );
  t.throws(() => queue.serveFirst(pooledConnection()), { message: 'the queue is empty' });
});

test('a waiter times out at its deadline, not before', async (t) => {
  const { ends, enter, pass } = setUp();
  enter('a', 100);
  await pass(99);
  t.deepEqual(ends, []);
  await pass(1);
  t.deepEqual(ends, ['a TIMEOUT at 100']);
});

test('each of many deadlines is kept within 5 ms, in any order, by one timer', async (t) => {
  const { clock, enter, ends, pass } = setUp();
  const timeouts = Array.from({ length: 500 }, (_, index) => 10 + ((index * 7_919) % 1_000));
  for (const timeoutMs of timeouts) enter(String(timeoutMs), timeoutMs);
  t.is(clock.pending, 1, 'one timer for all');
  for (let elapsedMs = 0; elapsedMs < 1_050; elapsedMs++) await pass(1);
  t.is(ends.length, timeouts.length);
  for (const end of ends) {
    const [, due = '', at = ''] = /^(\d+) TIMEOUT at (\d+)$/.exec(end) ?? [];
    const lateMs = Number(at) - Number(due);
    t.true(lateMs >= 0 && lateMs <= 5, end);
  }
  t.is(clock.pending, 0, 'no waiter, no timer');
});

test('an earlier deadline than all others moves the sweep', async (t) => {
  const { ends, enter, pass } = setUp();
  enter('long', 30_000);
  await pass(100);
  enter('short', 20);
  await pass(20);
  t.deepEqual(ends, ['short TIMEOUT at 120']);
});

test('a waiter times out although one of the same turn and timeout left before a sweep', async (t) => {
  const { ends, queue, expire, enter, pass } = setUp();
  enter('long', 30_000);
  enter('gone', 50);
  if (queue.last !== undefined) queue.remove(queue.last);
  t.false(expire(1_050));
  enter('late', 50);
  await pass(50);
  t.deepEqual(ends, ['late TIMEOUT at 50']);
});

test('the deadline of a served waiter fires the timer once at most', async (t) => {
  const { clock, queue, enter, pass } = setUp();
  enter('served', 100);
  queue.serveFirst(pooledConnection());
  await pass(100);
  t.is(clock.pending, 0);
});

test('a late caller in a long turn is not sent away early', async (t) => {
  const { clock, ends, enter, pass } = setUp();
  enter('early', 50);
  clock.nowMs += 40;
  enter('late', 50);
  await pass(49);
  t.deepEqual(ends, [], 'both count from the end of the turn');
  await pass(1);
  t.deepEqual(ends, ['early TIMEOUT at 90', 'late TIMEOUT at 90']);
});

test('a late caller is not sent away early by a sweep that is due in the same turn', async (t) => {
  const { clock, ends, enter, pass } = setUp();
  const sweeps: (() => void)[] = [];
  const schedule = clock.schedule.bind(clock);
  clock.schedule = (delayMs: number, callback: () => void) => {
    sweeps.push(callback);
    return schedule(delayMs, callback);
  };
  enter('early', 50);
  clock.nowMs += 100;
  enter('late', 50);
  // Node runs timers one after the other, before the turn ends.
  sweeps[0]?.();
  await turn();
  t.deepEqual(ends, []);
  await pass(50);
  t.deepEqual(ends, ['early TIMEOUT at 150', 'late TIMEOUT at 150']);
});

test('the queue knows how long the first waiter has waited, and the latest deadline', async (t) => {
  const { queue, enter, pass } = setUp();
  t.deepEqual([queue.oldestWaitMs, queue.wantedUntilMs], [0, 0]);
  enter('first', 1_000);
  await pass(30);
  enter('second', 200);
  t.deepEqual([queue.oldestWaitMs, queue.wantedUntilMs], [30, 2_000]);
  queue.serveFirst(pooledConnection());
  t.deepEqual(queue.waits.snapshot(), { ...queue.waits.snapshot(), count: 1, sumMs: 30 });
  queue.serveFirst(pooledConnection());
  t.deepEqual([queue.oldestWaitMs, queue.wantedUntilMs], [0, 0]);
  t.is(queue.waits.count, 1, 'a wait of 0 ms is not recorded');
});

test('a waiter that a connect of the same turn serves has waited for as long as that took', async (t) => {
  const { cachedClock, queue, enter, pass } = setUp();
  enter('a', 1_000);
  const sameTurn = cachedClock.time();
  enter('b', 1_000);
  queue.serveFirst(pooledConnection(), { turn: sameTurn, startedMs: 1_005, readyMs: 1_025 });
  t.is(queue.waits.snapshot().sumMs, 20, 'in the turn itself');
  await pass(40);
  queue.serveFirst(pooledConnection(), { turn: sameTurn, startedMs: 1_010, readyMs: 1_045 });
  t.is(queue.waits.snapshot().sumMs, 55, 'in a later turn');
});

test('a waiter that a connect of another turn serves has waited since its own turn', async (t) => {
  const { clock, cachedClock, queue, enter, pass } = setUp();
  const turnOfConnect = cachedClock.time();
  await pass(10);
  enter('earlier turn', 1_000);
  await pass(30);
  enter('this turn', 1_000);
  clock.nowMs += 5;
  for (const startedMs of [1_000, 1_001])
    queue.serveFirst(pooledConnection(), { turn: turnOfConnect, startedMs, readyMs: clock.nowMs });
  t.like(queue.waits.snapshot(), { count: 1, sumMs: 35 });
});

test('the latest deadline is forgotten when the queue is empty or swept', async (t) => {
  const { queue, enter, pass } = setUp();
  enter('long', 30_000);
  queue.serveFirst(pooledConnection());
  enter('short', 300);
  t.is(queue.wantedUntilMs, 1_300);
  enter('long', 30_000);
  enter('shorter', 100);
  enter('middle', 500);
  queue.serveFirst(pooledConnection());
  queue.serveFirst(pooledConnection());
  t.is(queue.wantedUntilMs, 31_000, 'it was not looked through since the long one left');
  await pass(100);
  t.is(queue.wantedUntilMs, 1_500);
});

test('deadlines that lie close together share a sweep', async (t) => {
  const { clock, ends, enter, pass } = setUp();
  const deadline = clock.deadline.bind(clock);
  let sweeps = 0;
  clock.deadline = (delayMs, callback) => {
    sweeps += 1;
    return deadline(delayMs, callback);
  };
  for (let index = 0; index < 100; index += 1) enter(String(index), 50 + index * 0.2);
  for (let step = 0; step < 400; step += 1) await pass(0.2);
  t.is(ends.length, 100);
  t.true(sweeps <= 1 + 20 / 4 + 1, `${sweeps} sweeps for deadlines within 20 ms`);
});

test('an aborted wait ends at once, the others go on', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const abort = new AbortController();
  const aborted = pool.acquire({ signal: abort.signal });
  const patient = pool.acquire();
  abort.abort();
  await t.throwsAsync(aborted, { code: 'ABORTED' });
  await connect();
  (await patient).release();
});

test('an abort after the lease changes nothing', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const abort = new AbortController();
  const acquiring = pool.acquire({ signal: abort.signal });
  await connect();
  const lease = await acquiring;
  abort.abort();
  await settled();
  t.false(lease.spent);
  t.like(pool.stats(), { leased: 1, waiting: 0 });
  lease.release();
});

test('all waiters fail at once when the only connect fails', async (t) => {
  const { pool, fail } = fakePool(t, { max: 1 });
  const waits = [pool.acquire(), pool.acquire(), pool.acquire()];
  await fail();
  for (const wait of waits) await t.throwsAsync(wait, { code: 'BROKER_CONNECT' });
  t.like(pool.stats(), { waiting: 0, connecting: 0 });
});

test('the end of the pool fails the waiters, and leaves no timer', async (t) => {
  const { pool, clock } = fakePool(t, { max: 1 });
  const before = t.throwsAsync(pool.acquire(), { code: 'POOL_CLOSED' });
  await pool.destroy();
  await before;
  await t.throwsAsync(pool.acquire(), { code: 'POOL_CLOSED' });
  t.is(clock.pending, 0);
});

test('a waiter that ends because another one expires is not counted as a timeout', async (t) => {
  const { pool, clock } = fakePool(t, { max: 1 });
  const waits = [pool.acquire({ timeoutMs: 50 }), pool.acquire({ timeoutMs: 50 })];
  pool.once('acquireFailed', () => void pool.destroy());
  const failed = Promise.allSettled(waits);
  clock.advance(50);
  t.deepEqual(
    (await failed).map((end) => end.status === 'rejected' && end.reason.code),
    ['TIMEOUT', 'POOL_CLOSED'],
  );
  t.is(pool.stats().timeouts, 1);
});

test('a pool keeps the process alive while callers wait, and no longer', async (t) => {
  const { pool, clock, connect, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  t.false(clock.keepsAlive, 'a lease is out');
  const first = pool.acquire();
  const second = pool.acquire({ timeoutMs: 100 });
  const third = pool.acquire({ timeoutMs: 200 });
  t.true(clock.keepsAlive);
  lease.release();
  const next = await first;
  t.true(clock.keepsAlive, 'one of three is served');
  await Promise.all([t.throwsAsync(second, { code: 'TIMEOUT' }), pass(100)]);
  t.true(clock.keepsAlive, 'the time of another one is up');
  await Promise.all([t.throwsAsync(third, { code: 'TIMEOUT' }), pass(100)]);
  t.false(clock.keepsAlive);
  const last = pool.acquire();
  t.true(clock.keepsAlive);
  next.release();
  const served = await last;
  t.false(clock.keepsAlive);
  const again = pool.acquire();
  t.true(clock.keepsAlive, 'a caller waits in the turn in which the queue was empty');
  served.release();
  (await again).release();
  t.false(clock.keepsAlive);
});

test('other threads see whether callers wait, from the moment at which they are shown', (t) => {
  const { queue, enter } = setUp();
  const words = new Int32Array(new SharedArrayBuffer(4));
  enter('a', 100);
  queue.showDemand(words);
  t.is(Atomics.load(words, 0), 1);
  queue.serveFirst(pooledConnection());
  t.is(Atomics.load(words, 0), 0);
  enter('b', 100);
  t.is(Atomics.load(words, 0), 1);
});

test('waiters of one turn count the attempts from their own beginning', (t) => {
  const { queue } = setUp();
  for (const attemptsBefore of [0, 0, 3, 3, 5]) {
    void queue.enter(100, undefined, attemptsBefore);
    t.is(queue.last?.terms.attemptsBefore, attemptsBefore);
  }
});

test('a caller whose acquire is listened to has its events, after one in the same turn that was not', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const events: string[] = [];
  const first = pool.acquire();
  pool.on('acquireStarted', ({ acquireId }) => events.push(`started ${acquireId}`));
  pool.on('acquired', ({ acquireId }) => events.push(`acquired ${acquireId}`));
  const second = pool.acquire();
  await connect();
  (await first).release();
  (await second).release();
  t.deepEqual(events.filter((event) => event.startsWith('started')).length, 1);
  t.is(events.at(-1), events[0]?.replace('started', 'acquired'));
});

test('a wait in the queue that has ended leaves no listener on its signal', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  const { signal } = new AbortController();
  const served = pool.acquire({ signal });
  t.is(getEventListeners(signal, 'abort').length, 1);
  await connect();
  const lease = await served;
  t.is(getEventListeners(signal, 'abort').length, 0, 'served');
  const late = pool.acquire({ signal, timeoutMs: 100 });
  t.is(getEventListeners(signal, 'abort').length, 1);
  await Promise.all([t.throwsAsync(late, { code: 'TIMEOUT' }), pass(100)]);
  t.is(getEventListeners(signal, 'abort').length, 0, 'its time is up');
  lease.release();
});
