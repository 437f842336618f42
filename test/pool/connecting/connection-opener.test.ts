import { setImmediate as turn } from 'node:timers/promises';
import { CachedClock, SharedTimer } from '../../../src/clock.js';
import { BrokerPoolError } from '../../../src/errors.js';
import { asPoolError } from '../../../src/pool/acquire-errors.js';
import { AcquireQueue } from '../../../src/pool/acquire-queue.js';
import { Capacity } from '../../../src/pool/capacity.js';
import { ConnectionOpener } from '../../../src/pool/connecting/connection-opener.js';
import type { ConnectRequest, NewConnection } from '../../../src/pool/connecting/connect-request.js';
import type { OpensConnections } from '../../../src/pool/connecting/connector.js';
import type { BeforeRetry } from '../../../src/pool/connecting/retries.js';
import { EntryList } from '../../../src/pool/containers.js';
import type { BrokerPoolOptions } from '../../../src/pool/options.js';
import { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { TargetLimits } from '../../../src/pool/target-limits.js';
import { LeaseWatch } from '../../../src/pool/watching/lease-watch.js';
import { targetKey } from '../../../src/target.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { FakeSocket } from '../../helpers/fake-peers.js';
import { poolEnvironment, TARGET } from '../../helpers/pool-environment.js';
import { NotingOwner, pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';

/** Opens connections when the test says so. */
class FakeConnector implements OpensConnections {
  readonly requests: ConnectRequest[] = [];
  readonly beforeRetries: BeforeRetry[] = [];
  readonly retriedNow: string[] = [];
  readonly #pending: { resolve: (opened: NewConnection) => void; reject: (error: unknown) => void }[] = [];

  connect(request: ConnectRequest, _startedMs: number, beforeRetry: BeforeRetry): Promise<NewConnection> {
    this.requests.push(request);
    this.beforeRetries.push(beforeRetry);
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
  }

  retryNow(key: string): void {
    this.retriedNow.push(key);
  }

  async succeed(): Promise<void> {
    this.#pending
      .shift()
      ?.resolve({ socket: new FakeSocket(), endpoint: FAKE_BACKEND, route: 'broker-negotiated' });
    await turn();
  }

  async fail(error: unknown): Promise<void> {
    this.#pending.shift()?.reject(error);
    await turn();
  }
}

interface Stage {
  readonly entries: EntryList<PooledConnection>;
  readonly opened: PooledConnection[];
  readonly failures: BrokerPoolError[];
  pumps: number;
}

function setUp(options: BrokerPoolOptions = {}, capacity?: Capacity) {
  const connector = new FakeConnector();
  const environment = poolEnvironment(options, { connector, capacity });
  const { clock } = environment;
  const entries = new EntryList<PooledConnection>();
  const stage: Stage = { entries, opened: [], failures: [], pumps: 0 };
  const timer = new SharedTimer(
    clock,
    () => {},
    () => Infinity,
  );
  const watch = new LeaseWatch(TARGET, environment, timer, () => {});
  const queue = new AcquireQueue(clock, new CachedClock(clock, () => {}), timer, watch);
  const { settings } = environment;
  const pump = (): void => void (stage.pumps += 1);
  const limits = new TargetLimits(settings, capacity, entries, queue, () => false, pump);
  const opener = new ConnectionOpener(TARGET, environment, limits, entries, queue, new NotingOwner());
  /** Runs a connect as the pump does. */
  const run = async (spare: boolean): Promise<void> => {
    const connect = opener.begin(spare);
    const opened = await opener.connect(connect).catch(asPoolError);
    const result = opener.finish(connect, opened);
    if (result instanceof PooledConnection) {
      entries.add(result);
      stage.opened.push(result);
      return;
    }
    stage.failures.push(result);
    if (connect.hadSlot) capacity?.release();
  };
  const open = (): boolean => {
    const mayBegin = opener.takeSlot();
    if (mayBegin) void run(false);
    return mayBegin;
  };
  const openSpare = (): boolean => {
    const mayBegin = opener.takeSpareSlot();
    if (mayBegin) void run(true);
    return mayBegin;
  };
  return { clock, connector, stage, opener, limits, open, openSpare };
}

const DOWN = new BrokerPoolError('BROKER_CONNECT', 'down');

test('no more connects run at once than maxConnecting, and no more connections are open than max', async (t) => {
  const { connector, limits, open } = setUp({ max: 3, maxConnecting: 2 });
  t.deepEqual([open(), open(), open()], [true, true, false]);
  t.false(limits.belowLimits());
  await connector.succeed();
  t.deepEqual([open(), open()], [true, false]);
  await connector.succeed();
  await connector.succeed();
  t.is(limits.holding.size, 0);
  t.false(open(), 'max');
});

test('spare connects run one at a time', async (t) => {
  const { connector, open, openSpare } = setUp({ maxConnecting: 5 });
  t.deepEqual([openSpare(), openSpare(), open()], [true, false, true]);
  await connector.succeed();
  t.true(openSpare());
});

test('a connection is ready with its number, its route and the time it took', async (t) => {
  const { clock, connector, stage, opener, open } = setUp();
  open();
  clock.advance(40);
  await connector.succeed();
  t.like(stage.opened, [{ id: 1, endpoint: FAKE_BACKEND, route: 'broker-negotiated', bornMs: 1_040 }]);
  t.is(opener.counters.createdByRoute['broker-negotiated'], 1);
  t.like(opener.connectTimes.snapshot(), { count: 1, sumMs: 40 });
});

test('connections born together do not die together: chance takes up to a tenth of their lifetime', async (t) => {
  const { clock, connector, stage, open } = setUp({ maxLifetimeMs: 10_000, max: 100, maxConnecting: 100 });
  const chances = [0, 0.5, 0.999_999];
  clock.chance = () => chances.shift() ?? 0;
  for (let count = 0; count < 3; count++) open();
  for (let count = 0; count < 3; count++) await connector.succeed();
  t.deepEqual(
    stage.opened.map(({ expiresAtMs, bornMs }) => Math.round(expiresAtMs - bornMs)),
    [10_000, 9_500, 9_001],
  );
});

test('an endless lifetime stays endless', async (t) => {
  const { connector, stage, open } = setUp({ maxLifetimeMs: Infinity });
  open();
  await connector.succeed();
  t.is(stage.opened[0]?.expiresAtMs, Infinity);
});

test('after a failure spare connects pause, and so do connects for callers while a connection is open', async (t) => {
  const { clock, connector, stage, opener, open, openSpare } = setUp();
  open();
  await connector.fail(DOWN);
  t.deepEqual([stage.failures, opener.counters.connectFailures, opener.lastError], [[DOWN], 1, DOWN]);
  t.false(openSpare());
  stage.entries.add(pooledConnection());
  t.false(open());
  clock.advance(100);
  t.is(stage.pumps, 1);
  t.true(open());
});

test('with nothing open a connect for a caller may begin at once after a failure', async (t) => {
  const { connector, open } = setUp();
  open();
  await connector.fail(DOWN);
  t.true(open());
});

test('while a pause and another connect are under way no connect begins: the last one tells all callers', async (t) => {
  const { clock, connector, stage, open } = setUp();
  open();
  open();
  await connector.fail(DOWN);
  t.false(open());
  await connector.fail(DOWN);
  t.is(stage.failures.length, 2);
  t.true(open());
  clock.advance(200);
  t.true(open());
});

test('success ends pauses and forgets the last error', async (t) => {
  const { clock, connector, opener, open, openSpare } = setUp();
  open();
  open();
  await connector.fail(DOWN);
  await connector.succeed();
  t.is(opener.lastError, undefined);
  t.true(openSpare());
  t.is(clock.pending, 0);
});

test('a refusal that forbids is remembered for a second, and spare connects stay away for half a minute', async (t) => {
  const { clock, connector, stage, opener, openSpare } = setUp();
  openSpare();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'serviceUnknown' }));
  t.is(opener.refusal?.code, 'REFUSED');
  clock.advance(999);
  t.false(openSpare());
  clock.advance(1);
  t.is(opener.refusal, undefined);
  clock.advance(28_999);
  t.false(openSpare());
  const pumps = stage.pumps;
  clock.advance(1);
  t.is(stage.pumps, pumps + 1);
  t.true(openSpare());
});

test('a caller may connect while a refusal keeps spare connects away, and its success lets them come back', async (t) => {
  const { clock, connector, stage, open, openSpare } = setUp();
  openSpare();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'versionBlocked' }));
  clock.advance(1_000);
  stage.entries.add(pooledConnection());
  t.deepEqual([openSpare(), open()], [false, true]);
  await connector.succeed();
  t.true(openSpare());
  t.is(clock.pending, 0);
});

test('clear forgets pauses and refusals, and connects under way bring stale connections', async (t) => {
  const { connector, stage, opener, open } = setUp({ maxConnecting: 3 });
  open();
  open();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'versionBlocked' }));
  opener.clear();
  t.is(opener.refusal, undefined);
  open();
  await connector.succeed();
  await connector.succeed();
  t.deepEqual(
    stage.opened.map(({ closeOnRelease }) => closeOnRelease),
    ['stale', undefined],
  );
});

test('an attempt that is tried again is the last error until a connect succeeds', async (t) => {
  const { connector, opener, open } = setUp();
  open();
  const pause = (): Promise<void> => new Promise(() => {});
  void connector.beforeRetries[0]?.({ error: DOWN, attempt: 1, delayMs: 100, pause });
  t.deepEqual([opener.lastError, opener.counters.connectFailures, opener.counters.retries], [DOWN, 0, 1]);
  await connector.succeed();
  t.is(opener.lastError, undefined);
});

test('clear and retryNow end the pauses of connects under way, a success does not', async (t) => {
  const { connector, opener, open } = setUp({ maxConnecting: 3 });
  open();
  open();
  await connector.succeed();
  t.deepEqual(connector.retriedNow, []);
  opener.clear();
  opener.retryNow();
  t.deepEqual(connector.retriedNow, [targetKey(TARGET), targetKey(TARGET)]);
});

test('any error that a connect throws becomes a BrokerPoolError', async (t) => {
  const { connector, stage, open } = setUp();
  const strange = new TypeError('a mistake');
  open();
  await connector.fail(strange);
  t.like(stage.failures, [
    { code: 'BROKER_CONNECT', message: 'failed to connect: a mistake', cause: strange },
  ]);
});

test('each connect takes a slot of maxTotal, and gives it back when it fails', async (t) => {
  const capacity = new Capacity(2);
  const { connector, open, openSpare } = setUp({}, capacity);
  open();
  openSpare();
  t.is(capacity.used, 2);
  await connector.fail(DOWN);
  t.is(capacity.used, 1);
  await connector.succeed();
  t.is(capacity.used, 1, 'an open connection keeps its place');
});

test('a stopped opener opens nothing, and leaves no pause', async (t) => {
  const { clock, connector, stage, opener, open, openSpare } = setUp();
  open();
  open();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'serviceUnknown' }));
  opener.stop();
  t.deepEqual([open(), openSpare()], [false, false]);
  await connector.fail(DOWN);
  t.is(clock.pending, 0);
  t.is(stage.failures.length, 2, 'what was under way ends all the same');
});

test("Hello-skip is allowed where the wanted version is the caller's own, and one goes ahead on a cold target (C-11, X-23)", async (t) => {
  const { connector, open } = setUp();
  open();
  t.is(connector.requests[0]?.maySkipHello, true);
  t.is(connector.requests[0]?.isCold, true);
  await connector.succeed();
  t.is(connector.requests[0]?.isCold, false);
  const other = setUp({ selfVersion: '2.0.0' });
  other.open();
  t.is(other.connector.requests[0]?.maySkipHello, false);
});
