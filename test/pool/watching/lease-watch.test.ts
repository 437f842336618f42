import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { SharedTimer } from '../../../src/clock.js';
import type { Lease } from '../../../src/pool/lease.js';
import type { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { POOL_EVENT_NAMES, type LeakSuspectedEvent } from '../../../src/pool/watching/events.js';
import { LeaseWatch } from '../../../src/pool/watching/lease-watch.js';
import { collectGarbage } from '../../helpers/garbage.js';
import { until } from '../../helpers/leftovers.js';
import { poolEnvironment, TARGET } from '../../helpers/pool-environment.js';
import { pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';

function setUp(leakThresholdMs = 100) {
  const environment = poolEnvironment({ leakThresholdMs });
  const { clock, emitter } = environment;
  const leaks: LeakSuspectedEvent[] = [];
  emitter.on('leakSuspected', (leak: LeakSuspectedEvent) => leaks.push(leak));
  const lost: PooledConnection[] = [];
  const timer = new SharedTimer(
    clock,
    (dueByMs) => watch.reportLeaks(dueByMs),
    () => watch.nextDeadlineMs,
  );
  const watch = new LeaseWatch(TARGET, environment, timer, (connection) => lost.push(connection));
  const begin = (connection: PooledConnection, acquireId = 1, stack = ''): Lease =>
    watch.lease(connection, { acquireId, stack, context: undefined }, clock.now(), 0);
  const end = (connection: PooledConnection): void => watch.end(connection, { ms: clock.nowMs });
  return { clock, emitter, leaks, lost, watch, begin, end };
}

test('a lease that is out for too long is reported once, with its stack', (t) => {
  const { clock, leaks, begin } = setUp();
  const connection = pooledConnection();
  const lease = begin(connection, 7, 'at someone');
  clock.advance(99);
  t.deepEqual(leaks, []);
  clock.advance(1_000);
  const { id: connectionId } = connection;
  t.deepEqual(leaks, [
    {
      pool: 'test',
      target: TARGET,
      acquireId: 7,
      connectionId,
      heldMs: 100,
      stack: 'at someone',
      lost: false,
    },
  ]);
  t.is(clock.pending, 0);
  t.false(lease.spent);
});

test('a lease that comes back in time is not reported', (t) => {
  const { clock, leaks, begin, end } = setUp();
  const connection = pooledConnection();
  begin(connection);
  clock.advance(99);
  end(connection);
  end(connection);
  clock.advance(1_000);
  t.deepEqual(leaks, []);
  t.is(clock.pending, 0);
});

test('the next lease of the same connection has a time of its own', (t) => {
  const { clock, leaks, begin, end } = setUp();
  const connection = pooledConnection();
  for (let count = 0; count < 2; count++) {
    begin(connection);
    clock.advance(60);
    end(connection);
  }
  t.deepEqual(leaks, []);
  begin(connection);
  clock.advance(100);
  t.is(leaks.length, 1);
});

test('each of many leases is reported at its time', (t) => {
  const { clock, leaks, begin } = setUp();
  const leases = Array.from({ length: 20 }, () => {
    const lease = begin(pooledConnection());
    clock.advance(10);
    return lease;
  });
  t.is(leaks.length, 11);
  clock.advance(200);
  t.is(leaks.length, leases.length);
  for (const { heldMs } of leaks) t.true(heldMs >= 100 && heldMs <= 110);
});

test('a lease that is garbage-collected is reported as lost, and its connection is given to onLost', async (t) => {
  const { leaks, lost, watch, begin } = setUp();
  const connection = pooledConnection();
  // In a function of its own, so that nothing of this one keeps the lease.
  (() => void begin(connection, 1, 'at a careless one'))();
  const seen = await until(() => {
    void collectGarbage();
    return leaks.length > 0;
  });
  t.true(seen);
  t.like(leaks, [{ connectionId: connection.id, stack: 'at a careless one', lost: true }]);
  t.deepEqual(lost, [connection]);
  watch.stop();
});

test('a lease that was released, or whose pool has ended, is not lost', async (t) => {
  const { clock, leaks, lost, watch, begin, end } = setUp();
  const released = pooledConnection();
  const ended = pooledConnection();
  (() => {
    begin(released);
    begin(ended);
  })();
  end(released);
  watch.stop();
  for (let round = 0; round < 5; round++) await collectGarbage();
  clock.advance(1_000);
  t.deepEqual([leaks, lost], [[], []]);
  t.is(clock.pending, 0);
});

// By itself: it subscribes to channels of all pools.
test.serial(
  'the watch is wanted, and hears waits, where the one event with a listener or a subscriber needs it, or the leak watch',
  (t) => {
    const ofLeases: readonly string[] = ['acquireStarted', 'acquired', 'released'];
    const listener = (): void => {};
    for (const name of POOL_EVENT_NAMES) {
      const expected = [ofLeases.includes(name), ofLeases.includes(name) || name === 'acquireFailed'];
      const { emitter, watch } = setUp(0);
      const asked = (): boolean[] => [watch.wanted, watch.hearsWaits];
      t.deepEqual(asked(), [false, false]);
      emitter.on(name, listener);
      t.deepEqual(asked(), expected, name);
      emitter.off(name, listener);
      subscribe(`broker-pool:${name}`, listener);
      t.deepEqual(asked(), expected, `the channel of ${name}`);
      unsubscribe(`broker-pool:${name}`, listener);
    }
    const { watch } = setUp();
    t.deepEqual([watch.wanted, watch.hearsWaits], [true, true], 'leaks are watched for');
    watch.stop();
  },
);

test('each acquire has a number of its own, also one that began before there were listeners', (t) => {
  const { clock, emitter, watch } = setUp(0);
  const numbers: number[] = [];
  emitter.on('acquired', ({ acquireId }: { acquireId: number }) => numbers.push(acquireId));
  for (let round = 0; round < 3; round += 1) {
    watch.lease(pooledConnection(), undefined, clock.now(), 0);
    watch.lease(pooledConnection(), watch.beginWait(), clock.now(), 0);
  }
  t.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
});
