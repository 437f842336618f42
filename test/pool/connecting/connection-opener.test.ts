import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPoolError } from '../../../src/errors.js';
import { Capacity } from '../../../src/pool/capacity.js';
import type {
  ConnectRequest,
  NewConnection,
  OpensConnections,
} from '../../../src/pool/connecting/connector.js';
import type { RetryingConnect } from '../../../src/pool/connecting/retries.js';
import {
  ConnectionOpener,
  type ConnectionOpenerOwner,
} from '../../../src/pool/connecting/connection-opener.js';
import { checkPoolOptions, type BrokerPoolOptions } from '../../../src/pool/options.js';
import type { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { createEventSources } from '../../../src/pool/watching/event-sources.js';
import { newCounters } from '../../../src/pool/watching/stats.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { FakeSocket } from '../../helpers/fake-peers.js';
import { NotingOwner } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';

const TARGET = { brokerEndpoint: '/fake/broker', serviceName: 'demo', wantedVersion: '1.0.0' };

/** Opens connections when the test says so. */
class FakeConnector implements OpensConnections {
  readonly requests: ConnectRequest[] = [];
  readonly connects: RetryingConnect[] = [];
  readonly retriedNow: string[] = [];
  readonly #pending: { resolve: (opened: NewConnection) => void; reject: (error: unknown) => void }[] = [];

  connect(request: ConnectRequest, connect: RetryingConnect): Promise<NewConnection> {
    this.requests.push(request);
    this.connects.push(connect);
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
  }

  isNegotiating(): boolean {
    return false;
  }

  retryNow(key: string): void {
    this.retriedNow.push(key);
  }

  async succeed(): Promise<void> {
    this.#pending
      .shift()
      ?.resolve({ socket: new FakeSocket(), endpoint: '/fake/backend', route: 'broker-negotiated' });
    await turn();
  }

  async fail(error: unknown): Promise<void> {
    this.#pending.shift()?.reject(error);
    await turn();
  }
}

class Owner extends NotingOwner implements ConnectionOpenerOwner {
  size = 0;
  spare = 0;
  idleSinceMs = Infinity;
  waiting = 0;
  readonly opened: PooledConnection[] = [];
  readonly failures: BrokerPoolError[] = [];
  pumps = 0;

  get held(): number {
    return this.size;
  }

  wantedUntilMs(): number {
    return 0;
  }

  onOpened(connection: PooledConnection): void {
    this.size += 1;
    this.opened.push(connection);
  }

  onOpenFailed(error: BrokerPoolError): void {
    this.failures.push(error);
  }

  pump(): void {
    this.pumps += 1;
  }

  evictIdle(): boolean {
    return false;
  }

  yieldConnect(): boolean {
    return false;
  }
}

function setUp(options: BrokerPoolOptions = {}, capacity?: Capacity) {
  const clock = new FakeClock();
  const connector = new FakeConnector();
  const owner = new Owner();
  const counters = newCounters();
  let ids = 0;
  const environment = {
    settings: checkPoolOptions({ ...TARGET, ...options }),
    connector,
    cache: undefined,
    clock,
    capacity,
    events: createEventSources('test', new EventEmitter()),
    nextConnectionId: () => ++ids,
  };
  return {
    clock,
    connector,
    owner,
    counters,
    opener: new ConnectionOpener(TARGET, environment, counters, owner),
  };
}

const DOWN = new BrokerPoolError('BROKER_CONNECT', 'down');

test('no more connects run at once than maxConnecting, and no more connections are open than max', async (t) => {
  const { connector, opener } = setUp({ max: 3, maxConnecting: 2 });
  t.deepEqual([opener.open(), opener.open(), opener.open()], [true, true, false]);
  t.true(opener.full);
  await connector.succeed();
  t.deepEqual([opener.open(), opener.open()], [true, false]);
  await connector.succeed();
  await connector.succeed();
  t.is(opener.connects.placed, 0);
  t.false(opener.open(), 'max');
});

test('of connects that nobody waits for, one runs at a time', async (t) => {
  const { connector, opener } = setUp({ maxConnecting: 5 });
  t.deepEqual([opener.openSpare(), opener.openSpare(), opener.open()], [true, false, true]);
  await connector.succeed();
  t.true(opener.openSpare());
});

test('a connection is ready with its number, its route and the time it took', async (t) => {
  const { clock, connector, owner, counters, opener } = setUp();
  opener.open();
  clock.advance(40);
  await connector.succeed();
  t.like(owner.opened, [{ id: 1, endpoint: '/fake/backend', route: 'broker-negotiated', bornMs: 1_040 }]);
  t.is(counters.createdByRoute['broker-negotiated'], 1);
  t.like(opener.connectTimes.snapshot(), { count: 1, sumMs: 40 });
});

test('connections born together do not die together: chance takes up to a tenth of their lifetime', async (t) => {
  const { clock, connector, owner, opener } = setUp({ maxLifetimeMs: 10_000, max: 100, maxConnecting: 100 });
  const chances = [0, 0.5, 0.999_999];
  clock.chance = () => chances.shift() ?? 0;
  for (let count = 0; count < 3; count++) opener.open();
  for (let count = 0; count < 3; count++) await connector.succeed();
  t.deepEqual(
    owner.opened.map(({ expiresAtMs, bornMs }) => Math.round(expiresAtMs - bornMs)),
    [10_000, 9_500, 9_001],
  );
});

test('an endless lifetime stays endless', async (t) => {
  const { connector, owner, opener } = setUp({ maxLifetimeMs: Infinity });
  opener.open();
  await connector.succeed();
  t.is(owner.opened[0]?.expiresAtMs, Infinity);
});

test('after a failure spare connects pause, and so do others while something is open', async (t) => {
  const { clock, connector, owner, counters, opener } = setUp();
  opener.open();
  await connector.fail(DOWN);
  t.deepEqual([owner.failures, counters.connectFailures, opener.lastError], [[DOWN], 1, DOWN]);
  t.false(opener.openSpare());
  owner.size = 1;
  t.false(opener.open());
  clock.advance(100);
  t.is(owner.pumps, 1);
  t.true(opener.open());
});

test('with nothing open a caller may try at once: who waits had better learn why not', async (t) => {
  const { connector, opener } = setUp();
  opener.open();
  await connector.fail(DOWN);
  t.true(opener.open());
});

test('success ends pauses and forgets the last error', async (t) => {
  const { clock, connector, opener } = setUp();
  opener.open();
  opener.open();
  await connector.fail(DOWN);
  await connector.succeed();
  t.is(opener.lastError, undefined);
  t.true(opener.openSpare());
  t.is(clock.pending, 0);
});

test('a refusal that forbids is remembered for a second, and spare connects stay away for half a minute', async (t) => {
  const { clock, connector, owner, opener } = setUp();
  opener.openSpare();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'serviceUnknown' }));
  t.is(opener.refusal?.code, 'REFUSED');
  clock.advance(999);
  t.false(opener.openSpare());
  clock.advance(1);
  t.is(opener.refusal, undefined);
  clock.advance(28_999);
  t.false(opener.openSpare());
  const pumps = owner.pumps;
  clock.advance(1);
  t.is(owner.pumps, pumps + 1);
  t.true(opener.openSpare());
});

test('a caller need not wait for that, and a success ends it', async (t) => {
  const { clock, connector, owner, opener } = setUp();
  opener.openSpare();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'versionBlocked' }));
  clock.advance(1_000);
  owner.size = 1;
  t.deepEqual([opener.openSpare(), opener.open()], [false, true]);
  await connector.succeed();
  t.true(opener.openSpare());
  t.is(clock.pending, 0);
});

test('clear forgets pauses and refusals, and what was under way arrives as stale', async (t) => {
  const { connector, owner, opener } = setUp({ maxConnecting: 3 });
  opener.open();
  opener.open();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'versionBlocked' }));
  opener.clear([]);
  t.is(opener.refusal, undefined);
  opener.open();
  await connector.succeed();
  await connector.succeed();
  t.deepEqual(
    owner.opened.map(({ closeOnRelease }) => closeOnRelease),
    ['stale', undefined],
  );
});

test('an attempt that is tried again is the last error until a connect succeeds', async (t) => {
  const { connector, counters, opener } = setUp();
  opener.open();
  connector.connects[0]?.onPause(DOWN, 1, 100);
  t.deepEqual([opener.lastError, counters.connectFailures, counters.retries], [DOWN, 0, 1]);
  await connector.succeed();
  t.is(opener.lastError, undefined);
});

test('clear and whoever wants it now end the pauses of connects under way, a success does not', async (t) => {
  const { connector, opener } = setUp({ maxConnecting: 3 });
  opener.open();
  opener.open();
  await connector.succeed();
  t.deepEqual(connector.retriedNow, []);
  opener.clear([]);
  opener.retryNow();
  t.deepEqual(connector.retriedNow, [opener.key, opener.key]);
});

test('what a connect throws becomes an error of ours', async (t) => {
  const { connector, owner, opener } = setUp();
  const strange = new TypeError('a mistake');
  opener.open();
  await connector.fail(strange);
  t.like(owner.failures, [
    { code: 'BROKER_CONNECT', message: 'failed to connect: a mistake', cause: strange },
  ]);
});

test('a place in the whole pool is taken for each connect, and given back when it fails', async (t) => {
  const capacity = new Capacity(2);
  const { connector, opener } = setUp({}, capacity);
  opener.open();
  opener.openSpare();
  t.is(capacity.used, 2);
  await connector.fail(DOWN);
  t.is(capacity.used, 1);
  await connector.succeed();
  t.is(capacity.used, 1, 'an open connection keeps its place');
});

test('once stopped it opens nothing, and no pause is left', async (t) => {
  const { clock, connector, owner, opener } = setUp();
  opener.open();
  opener.open();
  await connector.fail(new BrokerPoolError('REFUSED', 'no', { refusalKind: 'serviceUnknown' }));
  opener.stop();
  t.deepEqual([opener.open(), opener.openSpare()], [false, false]);
  await connector.fail(DOWN);
  t.is(clock.pending, 0);
  t.is(owner.failures.length, 2, 'what was under way ends all the same');
});

test("Hello-skip is allowed where the wanted version is the caller's own, and one goes ahead on a cold target (C-11, X-23)", async (t) => {
  const { connector, opener } = setUp();
  opener.open();
  t.is(connector.requests[0]?.maySkipHello, true);
  t.is(connector.requests[0]?.isCold(), true);
  await connector.succeed();
  t.is(connector.requests[0]?.isCold(), false);
  const other = setUp({ selfVersion: '2.0.0' });
  other.opener.open();
  t.is(other.connector.requests[0]?.maySkipHello, false);
});
