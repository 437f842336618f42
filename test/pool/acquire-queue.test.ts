import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPoolError } from '../../src/errors.js';
import { Bag } from '../../src/pool/bag.js';
import type { Lease } from '../../src/pool/lease.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { CachedClock } from '../../src/pool/cached-clock.js';
import type { Waiter } from '../../src/pool/waiter.js';
import { AcquireQueue } from '../../src/pool/acquire-queue.js';
import { createEventSources } from '../../src/pool/watching/event-sources.js';
import { LeaseWatch } from '../../src/pool/watching/lease-watch.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

const TARGET = { brokerEndpoint: '/fake/broker', serviceName: 'demo', wantedVersion: '1.0.0' };

function setUp() {
  const clock = new FakeClock();
  const bag = new Bag<PooledConnection, Waiter>();
  const calls = { waiter: 0, pump: 0 };
  const ends: string[] = [];
  let pumped = (): void => {};
  const time = new CachedClock(clock, () => {});
  let acquires = 0;
  const watch = new LeaseWatch(
    TARGET,
    {
      clock,
      events: createEventSources('test', new EventEmitter()),
      settings: { leakThresholdMs: 0 },
      entryPoints: [],
      nextAcquireId: () => ++acquires,
    },
    () => {},
  );
  const room = new AcquireQueue(bag, clock, time, watch, {
    attempts: { ended: 0 },
    timeoutError: (timeoutMs) => new BrokerPoolError('TIMEOUT', `${timeoutMs} ms`),
    explain: (failure) => failure,
    onWaiter: () => (calls.waiter += 1),
    pump: () => {
      calls.pump += 1;
      pumped();
    },
  });
  /** Somebody waits, and it is noted how that ends and when. */
  const enter = (name: string, timeoutMs: number, signal?: AbortSignal): void => {
    room.enter(timeoutMs, signal).then(
      () => ends.push(`${name} served`),
      (error: BrokerPoolError) => ends.push(`${name} ${error.code} at ${clock.nowMs - 1_000}`),
    );
  };
  const pass = async (durationMs: number): Promise<void> => {
    clock.advance(durationMs);
    await turn();
  };
  /** What the owner does when a waiter has left without a lease, once. */
  const onPump = (callback: () => void): void => {
    pumped = () => {
      pumped = () => {};
      callback();
    };
  };
  return { clock, bag, calls, ends, room, enter, pass, onPump };
}

function leasedConnection(bag: Bag<PooledConnection, Waiter>): PooledConnection {
  const connection = pooledConnection();
  bag.add(connection);
  return connection;
}

test('who waits is served in the order of coming, each with the connection at hand', async (t) => {
  const { bag, room } = setUp();
  const waits = [room.enter(100, undefined), room.enter(100, undefined)];
  const connections = [leasedConnection(bag), leasedConnection(bag)];
  for (const connection of connections) room.serveFirst(connection);
  const leases: Lease[] = await Promise.all(waits);
  t.deepEqual(
    leases.map(({ connectionId }) => connectionId),
    connections.map(({ id }) => id),
  );
  t.throws(() => room.serveFirst(leasedConnection(bag)), { message: 'nobody waits' });
});

test('the owner hears of everybody who comes, and of who leaves without a lease', async (t) => {
  const { bag, calls, room, enter, pass } = setUp();
  enter('served', 100);
  enter('expires', 50);
  room.serveFirst(leasedConnection(bag));
  await pass(60);
  t.deepEqual(calls, { waiter: 2, pump: 1 });
});

test('nobody is sent away early, and nobody later than a sweep', async (t) => {
  const { ends, room, enter, pass } = setUp();
  enter('a', 100);
  await pass(99);
  t.deepEqual(ends, []);
  await pass(1);
  t.deepEqual(ends, ['a TIMEOUT at 100']);
  t.is(room.timeouts, 1);
});

test('each of many deadlines is kept, in whatever order they come', async (t) => {
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
  t.is(clock.pending, 0, 'nobody waits, no timer');
});

test('an earlier deadline than all others moves the sweep', async (t) => {
  const { ends, enter, pass } = setUp();
  enter('long', 30_000);
  await pass(100);
  enter('short', 20);
  await pass(20);
  t.deepEqual(ends, ['short TIMEOUT at 120']);
});

test('a deadline that has become moot wakes the room once at most', async (t) => {
  const { clock, bag, room, enter, pass } = setUp();
  enter('served', 100);
  room.serveFirst(leasedConnection(bag));
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

test('not even if the sweep is due in the same turn', async (t) => {
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

test('an aborted wait ends at once, the others go on', async (t) => {
  const { bag, ends, room, enter } = setUp();
  const abort = new AbortController();
  enter('aborted', 100, abort.signal);
  enter('patient', 100);
  abort.abort();
  await turn();
  room.serveFirst(leasedConnection(bag));
  await turn();
  t.deepEqual(ends, ['aborted ABORTED at 0', 'patient served']);
});

test("an abort after the lease is nobody's business", async (t) => {
  const { bag, ends, room, enter } = setUp();
  const abort = new AbortController();
  enter('somebody', 100, abort.signal);
  room.serveFirst(leasedConnection(bag));
  abort.abort();
  await turn();
  t.deepEqual(ends, ['somebody served']);
});

test('all can be failed at once, and the owner hears of it once', async (t) => {
  const { bag, calls, ends, room, enter } = setUp();
  for (const name of ['a', 'b', 'c']) enter(name, 100);
  room.failAll(new BrokerPoolError('BROKER_CONNECT', 'down'));
  await turn();
  t.deepEqual(ends, ['a BROKER_CONNECT at 0', 'b BROKER_CONNECT at 0', 'c BROKER_CONNECT at 0']);
  t.deepEqual([bag.waiting, calls.pump], [0, 1]);
});

test('after the end nobody can come in, and no timer is left', async (t) => {
  const { clock, ends, room, enter } = setUp();
  enter('before', 100);
  room.end(new BrokerPoolError('POOL_CLOSED', 'over'));
  room.stop();
  await turn();
  enter('after', 100);
  await turn();
  t.deepEqual(ends, ['before POOL_CLOSED at 0', 'after POOL_CLOSED at 0']);
  t.is(clock.pending, 0);
});

test('it knows how long the first has waited, and until when anybody does', async (t) => {
  const { bag, room, enter, pass } = setUp();
  t.deepEqual([room.oldestWaitMs, room.wantedUntilMs], [0, 0]);
  enter('first', 1_000);
  await pass(30);
  enter('second', 200);
  t.deepEqual([room.oldestWaitMs, room.wantedUntilMs], [30, 2_000]);
  room.serveFirst(leasedConnection(bag));
  t.deepEqual(room.times.snapshot(), { ...room.times.snapshot(), count: 1, sumMs: 30 });
  room.serveFirst(leasedConnection(bag));
  t.deepEqual([room.oldestWaitMs, room.wantedUntilMs], [0, 0]);
  t.is(room.times.count, 1, 'who did not wait is not recorded');
});

test('nobody is waited for longer than those who are there now have time', async (t) => {
  const { bag, room, enter, pass } = setUp();
  enter('long', 30_000);
  room.serveFirst(leasedConnection(bag));
  enter('short', 300);
  t.is(room.wantedUntilMs, 1_300);
  enter('long', 30_000);
  enter('shorter', 100);
  enter('middle', 500);
  room.serveFirst(leasedConnection(bag));
  room.serveFirst(leasedConnection(bag));
  t.is(room.wantedUntilMs, 31_000, 'it was not looked through since the long one left');
  await pass(100);
  t.is(room.wantedUntilMs, 1_500);
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

test('a waiter that ends because another one expires is not counted as a timeout', async (t) => {
  const { room, enter, ends, pass, onPump } = setUp();
  enter('expires', 50);
  enter('ends with it', 50);
  onPump(() => room.end(new BrokerPoolError('POOL_CLOSED', 'closed')));
  await pass(50);
  t.deepEqual(ends, ['expires TIMEOUT at 50', 'ends with it POOL_CLOSED at 50']);
  t.is(room.timeouts, 1);
});
