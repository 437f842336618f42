import { SharedTimer } from '../../../src/clock.js';
import { leaseOf } from '../../../src/pool/lease.js';
import { callerStack, LeakWatch, type EntryPoint, type Leak } from '../../../src/pool/watching/leak-watch.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { collectGarbage } from '../../helpers/garbage.js';
import { until } from '../../helpers/leftovers.js';
import { pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';

function setUp() {
  const clock = new FakeClock();
  const leaks: Leak[] = [];
  const timer = new SharedTimer(
    clock,
    (dueByMs) => {
      for (let leak = watch.takeDue(dueByMs); leak !== undefined; leak = watch.takeDue(dueByMs))
        leaks.push(leak);
    },
    () => watch.nextMs,
  );
  const watch = new LeakWatch(clock, 100, timer, (leak) => leaks.push(leak));
  return { clock, leaks, watch };
}

test('a lease that is out for too long is reported once, with its stack', (t) => {
  const { clock, leaks, watch } = setUp();
  const connection = pooledConnection();
  const lease = leaseOf(connection);
  watch.begin(lease, connection, 7, 'at someone');
  clock.advance(99);
  t.deepEqual(leaks, []);
  clock.advance(1_000);
  t.deepEqual(leaks, [{ connection, acquireId: 7, heldMs: 100, stack: 'at someone', lost: false }]);
  t.is(clock.pending, 0);
  t.false(lease.spent);
});

test('a lease that comes back in time is not reported', (t) => {
  const { clock, leaks, watch } = setUp();
  const connection = pooledConnection();
  const lease = leaseOf(connection);
  watch.begin(lease, connection, 1, '');
  clock.advance(99);
  watch.end(connection);
  watch.end(connection);
  clock.advance(1_000);
  t.deepEqual(leaks, []);
  t.is(clock.pending, 0);
});

test('the next lease of the same connection has a time of its own', (t) => {
  const { clock, leaks, watch } = setUp();
  const connection = pooledConnection();
  const leases = [leaseOf(connection), leaseOf(connection)];
  for (const lease of leases) {
    watch.begin(lease, connection, 1, '');
    clock.advance(60);
    watch.end(connection);
  }
  t.deepEqual(leaks, []);
  const last = leaseOf(connection);
  watch.begin(last, connection, 1, '');
  clock.advance(100);
  t.is(leaks.length, 1);
});

test('each of many leases is reported at its time', (t) => {
  const { clock, leaks, watch } = setUp();
  const leases = Array.from({ length: 20 }, () => {
    const connection = pooledConnection();
    const lease = leaseOf(connection);
    watch.begin(lease, connection, 1, '');
    clock.advance(10);
    return lease;
  });
  t.is(leaks.length, 11);
  clock.advance(200);
  t.is(leaks.length, leases.length);
  for (const { heldMs } of leaks) t.true(heldMs >= 100 && heldMs <= 110);
});

test('a handle that is garbage-collected is reported as lost', async (t) => {
  const { leaks, watch } = setUp();
  const connection = pooledConnection();
  // In a function of its own, so that nothing of this one keeps the handle.
  (() => watch.begin(leaseOf(connection), connection, 1, 'at a careless one'))();
  const seen = await until(() => {
    void collectGarbage();
    return leaks.length > 0;
  });
  t.true(seen);
  t.like(leaks, [{ connection, stack: 'at a careless one', lost: true }]);
  watch.stop();
});

test('a handle that was released, or whose pool has ended, is not lost', async (t) => {
  const { clock, leaks, watch } = setUp();
  const released = pooledConnection();
  const ended = pooledConnection();
  (() => {
    watch.begin(leaseOf(released), released, 1, '');
    watch.begin(leaseOf(ended), ended, 2, '');
  })();
  watch.end(released);
  watch.stop();
  for (let round = 0; round < 5; round++) await collectGarbage();
  clock.advance(1_000);
  t.deepEqual(leaks, []);
  t.is(clock.pending, 0);
});

function outer(entryPoints: readonly EntryPoint[]): string {
  return inner(entryPoints);
}

function inner(entryPoints: readonly EntryPoint[]): string {
  return callerStack(entryPoints);
}

function caller(entryPoints: readonly EntryPoint[]): string {
  return outer(entryPoints);
}

function firstFunction(stack: string): string | undefined {
  return /^ {4}at (\w+)/.exec(stack)?.[1];
}

test('the stack of a caller begins below the first entry point of the list that is running', (t) => {
  t.is(firstFunction(caller([outer, inner])), 'caller');
  t.is(firstFunction(caller([firstFunction, inner])), 'outer');
  t.is(firstFunction(caller([])), 'stackBelow', 'none is running: the whole stack');
});

test('a stack that the program formats in its own way is left out', (t) => {
  const before: unknown = Reflect.get(Error, 'prepareStackTrace');
  try {
    Error.prepareStackTrace = (_, sites) => sites;
    t.is(caller([outer]), '');
  } finally {
    Reflect.set(Error, 'prepareStackTrace', before);
  }
});
