import { BrokerPoolError } from '../../../src/errors.js';
import { Capacity } from '../../../src/pool/capacity.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';
import { DOWN, setUpOpener } from './opener-kit.js';

test('no more connects run at once than maxConnecting, and no more connections are open than max', async (t) => {
  const { connector, limits, open } = setUpOpener({ max: 3, maxConnecting: 2 });
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
  const { connector, open, openSpare } = setUpOpener({ maxConnecting: 5 });
  t.deepEqual([openSpare(), openSpare(), open()], [true, false, true]);
  await connector.succeed();
  t.true(openSpare());
});

test('a connection is ready with its number, its route and the time it took', async (t) => {
  const { clock, connector, stage, opener, open } = setUpOpener();
  open();
  clock.advance(40);
  await connector.succeed();
  t.like(stage.opened, [{ id: 1, endpoint: FAKE_BACKEND, route: 'broker-negotiated', bornMs: 1_040 }]);
  t.is(opener.counters.createdByRoute['broker-negotiated'], 1);
  t.like(opener.connectTimes.snapshot(), { count: 1, sumMs: 40 });
});

test('connections born together do not die together: chance takes up to a tenth of their lifetime', async (t) => {
  const { clock, connector, stage, open } = setUpOpener({
    maxLifetimeMs: 10_000,
    max: 100,
    maxConnecting: 100,
  });
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
  const { connector, stage, open } = setUpOpener({ maxLifetimeMs: Infinity });
  open();
  await connector.succeed();
  t.is(stage.opened[0]?.expiresAtMs, Infinity);
});

test('after a failure spare connects pause, and so do connects for callers while a connection is open', async (t) => {
  const { clock, connector, stage, opener, open, openSpare } = setUpOpener();
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
  const { connector, open } = setUpOpener();
  open();
  await connector.fail(DOWN);
  t.true(open());
});

test('while a pause and another connect are under way no connect begins: the last one tells all callers', async (t) => {
  const { clock, connector, stage, open } = setUpOpener();
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
  const { clock, connector, opener, open, openSpare } = setUpOpener();
  open();
  open();
  await connector.fail(DOWN);
  await connector.succeed();
  t.is(opener.lastError, undefined);
  t.true(openSpare());
  t.is(clock.pending, 0);
});

test('a refusal that forbids is remembered for a second, and spare connects stay away for half a minute', async (t) => {
  const { clock, connector, stage, opener, openSpare } = setUpOpener();
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
  const { clock, connector, stage, open, openSpare } = setUpOpener();
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
  const { connector, stage, opener, open } = setUpOpener({ maxConnecting: 3 });
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
  const { connector, opener, open } = setUpOpener();
  open();
  const pause = (): Promise<void> => new Promise(() => {});
  void connector.beforeRetries[0]?.({ error: DOWN, attempt: 1, delayMs: 100, pause });
  t.deepEqual([opener.lastError, opener.counters.connectFailures, opener.counters.retries], [DOWN, 0, 1]);
  await connector.succeed();
  t.is(opener.lastError, undefined);
});

test('clear and retryNow end the pauses of connects under way, a success does not', async (t) => {
  const { connector, opener, key, open } = setUpOpener({ maxConnecting: 3 });
  open();
  open();
  await connector.succeed();
  t.deepEqual(connector.retriedNow, []);
  opener.clear();
  opener.retryNow();
  t.deepEqual(connector.retriedNow, [key, key]);
});

test('any error that a connect throws becomes a BrokerPoolError', async (t) => {
  const { connector, stage, open } = setUpOpener();
  const strange = new TypeError('a mistake');
  open();
  await connector.fail(strange);
  t.like(stage.failures, [
    { code: 'BROKER_CONNECT', message: 'failed to connect: a mistake', cause: strange },
  ]);
});

test('each connect takes a slot of maxTotal, and gives it back when it fails', async (t) => {
  const capacity = new Capacity(2);
  const { connector, open, openSpare } = setUpOpener({}, { capacity });
  open();
  openSpare();
  t.is(capacity.used, 2);
  await connector.fail(DOWN);
  t.is(capacity.used, 1);
  await connector.succeed();
  t.is(capacity.used, 1, 'an open connection keeps its place');
});

test('a stopped opener opens nothing, and leaves no pause', async (t) => {
  const { clock, connector, stage, opener, open, openSpare } = setUpOpener();
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
  const { connector, open } = setUpOpener();
  open();
  t.is(connector.requests[0]?.maySkipHello, true);
  t.is(connector.requests[0]?.isCold, true);
  await connector.succeed();
  t.is(connector.requests[0]?.isCold, false);
  const other = setUpOpener({ selfVersion: '2.0.0' });
  other.open();
  t.is(other.connector.requests[0]?.maySkipHello, false);
});
