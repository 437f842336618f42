/** What an opener knows of its target, and what it learns from connections that fail or end. */
import { EndpointCache } from '../../../src/endpoint-cache/endpoint-cache.js';
import type { EndpointStore } from '../../../src/endpoint-cache/store.js';
import type { ConnectionClosedEvent } from '../../../src/pool/watching/events.js';
import type { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { TARGET } from '../../helpers/pool-environment.js';
import { pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';
import { DOWN, setUpOpener } from './opener-kit.js';

/** A cache that knows the endpoint of the target. */
function setUpKnown(options: Parameters<typeof setUpOpener>[0] = {}) {
  const cache = new EndpointCache({ max: 10, ttlMs: 60_000 });
  const world = setUpOpener({ max: 10, maxConnecting: 10, ...options }, { cache });
  cache.set(world.key, FAKE_BACKEND);
  return { ...world, cache };
}

/** Opens a connection, which then ends. */
async function openOne(
  { open, connector, stage }: ReturnType<typeof setUpOpener>,
  route: 'hello-skip' | 'broker-negotiated' | 'handle-passed',
): Promise<PooledConnection> {
  open();
  await connector.succeed(route);
  const connection = stage.opened.at(-1);
  if (connection === undefined) throw new Error('no connection was opened');
  return connection;
}

test('the known endpoint is that of an open connection that is kept, with the answer of the broker', (t) => {
  const { opener, stage } = setUpOpener();
  t.is(opener.known, undefined);
  const leaving = pooledConnection();
  leaving.closeOnRelease = 'stale';
  stage.entries.add(leaving);
  t.is(opener.known, undefined, 'a cleared connection names an endpoint that may be gone');
  stage.entries.add(pooledConnection());
  t.deepEqual(opener.known, { endpoint: FAKE_BACKEND });
  const answered = setUpOpener();
  answered.stage.entries.add(pooledConnection({ handoffToken: Uint8Array.of(1) }));
  t.like(answered.opener.known, { endpoint: FAKE_BACKEND, negotiated: { daemonVersion: '1.0.0' } });
});

test('a remembered endpoint is known where a connect may skip the Hello', (t) => {
  t.deepEqual(setUpKnown().opener.known, { endpoint: FAKE_BACKEND });
  t.is(setUpKnown({ selfVersion: '2.0.0' }).opener.known, undefined);
});

test('a caller waits for a connect during a pause only where the end of the pause lets it open one', async (t) => {
  const { opener, open, connector, stage } = setUpOpener({ max: 1 });
  const phase = () => opener.timeoutError(100, 0).phase;
  t.is(phase(), 'queue', 'nothing is under way');
  open();
  t.is(phase(), 'connect');
  await connector.fail(DOWN);
  t.is(phase(), 'connect');
  stage.entries.add(pooledConnection());
  t.is(phase(), 'queue');
});

test('a caller waits for a validation where a connection is reserved that does not drain', (t) => {
  const { opener, stage } = setUpOpener();
  const connection = pooledConnection();
  stage.entries.add(connection);
  stage.entries.reserve(connection);
  t.is(opener.timeoutError(100, 0).phase, 'validate');
  t.is(opener.timeoutError(100, 1).phase, 'queue');
});

test('a connect for a caller leaves spare connects one at a time', async (t) => {
  const { connector, open, openSpare } = setUpOpener({ max: 10, maxConnecting: 10 });
  open();
  await connector.succeed();
  t.deepEqual([openSpare(), openSpare()], [true, false]);
});

test('a connect that fails is told with its age, as one that was never ready', async (t) => {
  const { clock, connector, emitter, open } = setUpOpener();
  const events: ConnectionClosedEvent[] = [];
  emitter.on('connectionClosed', (event: ConnectionClosedEvent) => events.push(event));
  open();
  clock.advance(40);
  await connector.fail(DOWN);
  t.like(events, [{ target: TARGET, connectionId: 1, reason: 'error', wasReady: false, ageMs: 40, uses: 0 }]);
  t.is(events.length, 1);
});

test('a connection that comes after the stop is closed, and its connect has failed', async (t) => {
  const { connector, stage, opener, open } = setUpOpener();
  open();
  opener.stop();
  const socket = await connector.succeed();
  t.true(socket.destroyed);
  t.like(stage, { opened: { length: 0 }, failures: [{ code: 'POOL_CLOSED' }] });
});

test('a connect whose pause ends after the stop is not tried again, and asks for no pump', async (t) => {
  const { connector, stage, opener, open } = setUpOpener();
  open();
  let endPause = (): void => {};
  const pause = (): Promise<void> => new Promise((resolve) => (endPause = resolve));
  const isWanted = connector.beforeRetries[0]?.({ error: DOWN, attempt: 1, delayMs: 100, pause });
  opener.stop();
  endPause();
  t.is(await isWanted, false);
  t.is(stage.pumps, 0);
});

test('a connect that waits for a slot to try again ends with the stop', async (t) => {
  const { connector, opener, open } = setUpOpener();
  open();
  const isWanted = connector.beforeRetries[0]?.({
    error: DOWN,
    attempt: 1,
    delayMs: 100,
    pause: () => Promise.resolve(),
  });
  await Promise.resolve();
  await Promise.resolve();
  opener.stop();
  t.is(await isWanted, false);
});

for (const [reason, count, waits] of [
  ['stale', 3, false],
  ['error', 3, false],
  ['stale', 2, true],
  ['idle', 3, true],
] as const)
  test(`after ${count} adopted connections that ended as ${reason} without a word, a handoff is ${waits ? '' : 'not '}waited for (C-48)`, async (t) => {
    const world = setUpOpener({ max: 10, maxConnecting: 10, adoptHandedOffConnection: true });
    for (let ended = 0; ended < count; ended += 1)
      world.opener.onClosed(await openOne(world, 'handle-passed'), reason);
    t.is(world.connector.requests[0]?.handoff?.shouldWait(), waits);
  });

test('connections that were not adopted say nothing about handoffs', async (t) => {
  const world = setUpOpener({ max: 10, maxConnecting: 10, adoptHandedOffConnection: true });
  for (let ended = 0; ended < 5; ended += 1)
    world.opener.onClosed(await openOne(world, 'broker-negotiated'), 'stale');
  t.true(world.connector.requests[0]?.handoff?.shouldWait());
});

test('a connection that ends without a word has its endpoint forgotten, unless the opener was stopped before', async (t) => {
  for (const isStopped of [false, true]) {
    const world = setUpKnown();
    const connection = await openOne(world, 'hello-skip');
    if (isStopped) world.opener.stop();
    world.opener.onClosed(connection, 'stale');
    t.is(world.cache.get(world.key), isStopped ? FAKE_BACKEND : undefined);
    t.is(world.clock.pending, 0);
  }
});

test('connections that end with the pool leave no pause behind', async (t) => {
  const world = setUpKnown();
  const connections = [await openOne(world, 'hello-skip'), await openOne(world, 'hello-skip')];
  world.opener.stop();
  for (const connection of connections) world.opener.onClosed(connection, 'stale');
  t.is(world.clock.pending, 0);
});

test('a connect by Hello-skip is no answer of the broker: its endpoint stays one from memory', async (t) => {
  const world = setUpKnown();
  world.opener.onClosed(await openOne(world, 'hello-skip'), 'invalid');
  const again = await openOne(world, 'hello-skip');
  t.true(world.opener.isFromMemory(again));
  await openOne(world, 'broker-negotiated');
  t.false(world.opener.isFromMemory(again), 'the broker insists on it');
});

test('clear forgets the endpoint, in the store too, and what it makes stale is no evidence against the next one', async (t) => {
  const forgotten: string[] = [];
  const store: EndpointStore = {
    get: () => undefined,
    set: () => {},
    forget: (key) => void forgotten.push(key),
    forgetAll: () => {},
    close: () => {},
  };
  const cache = new EndpointCache({ max: 10, ttlMs: 60_000 }, undefined, store);
  const world = setUpOpener({ max: 10, maxConnecting: 10 }, { cache });
  const { opener, key, open, connector, stage } = world;
  cache.set(key, FAKE_BACKEND);
  open();
  open();
  opener.clear();
  t.is(cache.get(key), undefined);
  t.deepEqual(forgotten, [key]);
  await connector.succeed('hello-skip');
  await connector.succeed('hello-skip');
  cache.set(key, FAKE_BACKEND);
  for (const connection of stage.opened) {
    t.is(connection.closeOnRelease, 'stale');
    opener.onClosed(connection, 'stale');
  }
  t.is(cache.get(key), FAKE_BACKEND);
  t.true(world.openSpare(), 'nor is there a pause');
});

test('an endpoint that a test gives is not one from memory', async (t) => {
  const world = setUpOpener({ testSeams: true });
  t.false(world.opener.isFromMemory(await openOne(world, 'hello-skip')));
  const usual = setUpOpener();
  t.true(usual.opener.isFromMemory(await openOne(usual, 'hello-skip')));
});

test('connections that end soon keep spare ones away, until a caller asks to retry now', async (t) => {
  const world = setUpOpener({ max: 10, maxConnecting: 10 });
  for (let ended = 0; ended < 2; ended += 1)
    world.opener.onClosed(await openOne(world, 'hello-skip'), 'stale');
  t.false(world.openSpare());
  world.opener.retryNow();
  t.true(world.openSpare());
  t.is(world.clock.pending, 0);
});
