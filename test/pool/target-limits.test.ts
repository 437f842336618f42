import { Capacity, type CapacityUser } from '../../src/pool/capacity.js';
import { EntryList } from '../../src/pool/containers.js';
import type { BrokerPoolOptions } from '../../src/pool/options.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { TargetLimits } from '../../src/pool/target-limits.js';
import { poolEnvironment, timelessQueue } from '../helpers/pool-environment.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

function setUp(options: BrokerPoolOptions = {}, capacity?: Capacity) {
  const environment = poolEnvironment(options);
  const { clock, settings } = environment;
  const entries = new EntryList<PooledConnection>();
  const queue = timelessQueue(environment);
  const limits = new TargetLimits(
    settings,
    capacity,
    entries,
    queue,
    () => false,
    () => {},
  );
  capacity?.join(limits);
  const begin = () => limits.begin(1, clock.now(), 0, false);
  /** A caller waits. */
  const enter = (): void => void queue.enter(100, undefined, 0);
  return { entries, queue, limits, begin, enter };
}

/** Another target, which has one idle connection. */
class IdleTarget implements CapacityUser {
  readonly #capacity: Capacity;
  readonly waiting = 0;
  held = 1;

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
    capacity.join(this);
    capacity.take(this);
  }

  get spare(): number {
    return this.held;
  }

  get idleSinceMs(): number {
    return this.held > 0 ? 0 : Infinity;
  }

  evictIdle(): boolean {
    if (this.held === 0) return false;
    this.held = 0;
    this.#capacity.release();
    return true;
  }

  yieldConnect(): boolean {
    return false;
  }

  pump(): void {}
}

test('a target is in use while it has a connection, a connect, a caller or a minimum', (t) => {
  const { entries, queue, limits, begin, enter } = setUp({ min: 1 });
  t.true(limits.isUnused);
  const connection = pooledConnection();
  entries.add(connection);
  t.false(limits.isUnused, 'a connection');
  entries.remove(connection);
  const connect = begin();
  limits.pause(connect);
  t.is(limits.held, 0);
  t.false(limits.isUnused, 'a connect that pauses');
  limits.end(connect);
  t.true(limits.isUnused);
  enter();
  t.false(limits.isUnused, 'a caller');
  queue.serveFirst(pooledConnection());
  limits.keepsMinimum = true;
  t.false(limits.isUnused, 'a minimum');
});

test('a connect that has ended counts nowhere, whatever it did last', (t) => {
  const { limits, begin } = setUp();
  const counts = (): number[] => [
    limits.connects,
    limits.holding.size,
    limits.pausing.size,
    limits.lacking.size,
    limits.expected,
  ];
  const held = begin();
  t.deepEqual(counts(), [1, 1, 0, 0, 1]);
  limits.end(held);
  t.deepEqual(counts(), [0, 0, 0, 0, 0]);
  const pausing = begin();
  limits.pause(pausing);
  t.deepEqual(counts(), [1, 0, 1, 0, 1]);
  limits.end(pausing);
  t.deepEqual(counts(), [0, 0, 0, 0, 0]);
  const lacking = begin();
  limits.yieldConnect();
  t.deepEqual(counts(), [1, 0, 0, 1, 0]);
  limits.end(lacking);
  t.deepEqual(counts(), [0, 0, 0, 0, 0]);
});

test('a connect that pauses after it has lent its slot lacks none', (t) => {
  const { limits, begin } = setUp();
  const connect = begin();
  limits.yieldConnect();
  limits.pause(connect);
  t.deepEqual([limits.lacking.size, limits.pausing.size], [0, 1]);
});

test('a connect that is dropped lacks no slot, and ends', async (t) => {
  const { limits, begin } = setUp();
  const connect = begin();
  limits.pause(connect);
  const isWanted = limits.awaitSlot(connect);
  limits.dropUnwanted();
  t.is(limits.lacking.size, 0);
  t.true(connect.dropped);
  t.false(await isWanted);
});

for (const [isWaiting, title] of [
  [false, 'without a caller a connect that has lost its slot takes none from an idle connection'],
  [true, 'for a caller a connect that has lost its slot takes that of an idle connection of another target'],
] as const)
  test(title, (t) => {
    const capacity = new Capacity(1);
    const { limits, begin, enter } = setUp({}, capacity);
    t.true(capacity.take(limits));
    const connect = begin();
    limits.yieldConnect();
    const other = new IdleTarget(capacity);
    if (isWaiting) enter();
    t.is(limits.keepSlot(connect), isWaiting);
    t.is(other.held, isWaiting ? 0 : 1);
    t.is(capacity.used, isWaiting ? 1 : 2, 'until the connection has closed');
  });

test('without a caller no caller is unserved, even if more slots are taken than there are', (t) => {
  const capacity = new Capacity(1);
  const { limits } = setUp({}, capacity);
  capacity.overbook();
  capacity.overbook();
  t.true(limits.places < 0);
  t.is(limits.unserved, 0);
});

test('neither a leased connection nor a detached one is a place for a caller', (t) => {
  const { entries, limits } = setUp({ max: 3 });
  const [leased, detached] = [pooledConnection(), pooledConnection()];
  entries.add(leased);
  t.is(limits.places, 2);
  entries.add(detached);
  entries.detach(detached);
  t.is(limits.places, 1);
});
