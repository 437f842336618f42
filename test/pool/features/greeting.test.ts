/** Backends that speak first: their bytes before the first lease belong to the first caller. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import {
  connectLocalSocket,
  type BrokerPool,
  type BrokerPoolOptions,
  type ConnectionToValidate,
} from '../../../src/index.js';
import { until } from '../../helpers/leftovers.js';
import { connected, FakeSocket } from '../../helpers/fake-peers.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, read, startSystem } from '../../helpers/system.js';

const GREETING = '220 ready\n';

/** Greets after `delayMs`, then echoes. */
const greeting =
  (delayMs = 0) =>
  (socket: Socket): void => {
    const greet = (): void => void (socket.writable && socket.write(GREETING));
    if (delayMs === 0) greet();
    else setTimeout(greet, delayMs);
    socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());
  };

/**
 * A pool on a backend that greets, with `min` connections open that have been greeted, unless that takes
 * longer.
 */
async function startPool(t: ExecutionContext, options: BrokerPoolOptions, delayMs = 0): Promise<BrokerPool> {
  const { backend, target } = await startSystem(t, { backend: { onConnection: greeting(delayMs) } });
  const pool = openPool(t, target, options);
  await pool.warm();
  // Bytes sent before those of a later connection have arrived before them.
  const later = await connectLocalSocket(backend.endpoint);
  await read(later, GREETING.length);
  await echo(later, 'later');
  await closed(later);
  return pool;
}

/**
 * Leases so many connections at once; returns the greeting of each backend, and its answer to a word.
 */
async function firstWords(pool: BrokerPool, count: number): Promise<string[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  const words = await Promise.all(
    leases.map(async ({ socket }) => `${await read(socket, GREETING.length)}${await echo(socket, 'mine')}`),
  );
  for (const lease of leases) lease.release();
  return words;
}

const EXPECTED = `${GREETING}mine`;

/** Counts the calls of a hook, and returns its answers. */
function counting(hook: (connection: ConnectionToValidate) => boolean | Promise<boolean>) {
  const asked = {
    times: 0,
    validate: (connection: ConnectionToValidate) => ((asked.times += 1), hook(connection)),
  };
  return asked;
}

const ping = async ({ socket }: ConnectionToValidate): Promise<boolean> =>
  (await echo(socket, 'ping')) === 'ping';

test('bytes before the first lease do not close a connection, and its first caller reads them', async (t) => {
  const { pool, connect } = fakePool(t, { min: 1 });
  await settled();
  const socket = await connect();
  for (const part of ['220 ', 'ready\n']) socket.push(part);
  await settled();
  t.like(pool.stats(), { created: 1, idle: 1, connecting: 0 });
  const lease = await pool.acquire();
  t.is(await read(lease.socket, GREETING.length), GREETING);
  lease.release();
  await settled();
  socket.push('more');
  t.is(pool.stats().closedByReason.dirty, 1, 'after the first lease they close it');
});

test('a caller reads a greeting of several parts whole after validate', async (t) => {
  const { pool, connect } = fakePool(t, { min: 1, validateAfterIdleMs: 0, validate: () => true });
  await settled();
  const socket = await connect();
  for (const part of ['220 ', 're', 'ady\n']) socket.push(part);
  await settled();
  const lease = await pool.acquire();
  t.is(await read(lease.socket, GREETING.length), GREETING);
  lease.release();
});

test('a caller reads a greeting whole that arrived before the pool had the connection', async (t) => {
  const { pool, driver } = fakePool(t);
  const acquiring = pool.acquire();
  const [job] = driver.pending;
  const socket = new FakeSocket();
  for (const part of ['220 ', 're', 'ady\n']) socket.push(part);
  job?.settle(connected(socket));
  const lease = await acquiring;
  t.is(await read(lease.socket, GREETING.length), GREETING);
  lease.release();
});

test('idle connections that greet stay open, and greet their first caller', async (t) => {
  const pool = await startPool(t, { max: 2, min: 2 });
  t.like(pool.stats(), { created: 2, idle: 2 });
  t.deepEqual(await firstWords(pool, 2), [EXPECTED, EXPECTED]);
});

for (const [title, hook] of [
  ['says yes', () => true],
  ['pings', ping],
  ['takes a while', async () => (await new Promise((resolve) => setTimeout(resolve, 2)), true)],
] as const) {
  test(`a validate that ${title} leaves the greeting to the first caller, however often it is asked`, async (t) => {
    const asked = counting(hook);
    const pool = await startPool(t, { max: 1, min: 1, keepaliveMs: 10, validate: asked.validate });
    t.true(await until(() => asked.times >= 5));
    t.deepEqual(await firstWords(pool, 1), [EXPECTED]);
    t.is(pool.stats().created, 1);
  });
}

test('a validate before the first lease leaves the greeting to the caller', async (t) => {
  const asked = counting(ping);
  const pool = await startPool(t, { max: 1, min: 1, validateAfterIdleMs: 0, validate: asked.validate });
  t.deepEqual(await firstWords(pool, 1), [EXPECTED]);
  t.is(asked.times, 1);
  t.is(pool.stats().created, 1);
});

test("a greeting that comes while validate waits for it is the first caller's", async (t) => {
  let isNew: boolean | undefined;
  const validate = async (connection: ConnectionToValidate): Promise<boolean> => {
    ({ isNew } = connection);
    return connection.greeting !== undefined || (await until(() => connection.socket.readableLength > 0));
  };
  const pool = await startPool(t, { max: 1, min: 1, keepaliveMs: 5, validate }, 5);
  t.true(await until(() => isNew !== undefined));
  t.true(isNew);
  t.deepEqual(await firstWords(pool, 1), [EXPECTED]);
  t.is(pool.stats().created, 1);
});

test('validate gets its own copy of the greeting', async (t) => {
  const shown: (string | undefined)[] = [];
  const validate = ({ greeting: bytes, isNew }: ConnectionToValidate): boolean => {
    shown.push(isNew ? bytes && Buffer.from(bytes).toString() : 'used');
    bytes?.fill(0);
    return true;
  };
  const pool = await startPool(t, { max: 1, min: 1, validateAfterIdleMs: 0, validate });
  t.deepEqual(await firstWords(pool, 1), [EXPECTED]);
  await new Promise(setImmediate);
  await pool.use(() => {});
  t.deepEqual(shown, [GREETING, 'used']);
});

test('a connection that greets is closed as dirty if validate leaves its answer unread', async (t) => {
  const validate = async ({ socket }: ConnectionToValidate): Promise<boolean> => {
    socket.write('ping');
    await once(socket, 'readable');
    return true;
  };
  const pool = await startPool(t, { max: 1, min: 1, validateAfterIdleMs: 0, validate });
  t.is(await pool.use(({ socket }) => read(socket, GREETING.length)), GREETING);
  t.true(pool.stats().closedByReason.dirty >= 1);
});

test('bytes that arrive unasked after validate has written are no greeting', async (t) => {
  let answerTwice = (): void => {};
  const onConnection = (socket: Socket): void => {
    socket.on('data', (bytes) => {
      socket.write(bytes);
      answerTwice = () => void socket.write(bytes);
    });
    socket.on('end', () => socket.end());
  };
  const system = await startSystem(t, { backend: { onConnection } });
  const asked = counting(ping);
  const pool = openPool(t, system.target, { max: 1, min: 1, keepaliveMs: 20, validate: asked.validate });
  await pool.warm();
  t.true(await until(() => asked.times >= 1 && pool.stats().idle === 1));
  answerTwice();
  t.true(await until(() => pool.stats().closedByReason.dirty === 1));
});

test('bytes that arrive while validate is asked, and does not read, follow the greeting', async (t) => {
  const answers: ((isGood: boolean) => void)[] = [];
  const { pool, connect, pass } = fakePool(t, {
    min: 1,
    validate: () => new Promise((resolve) => answers.push(resolve)),
  });
  await settled();
  const socket = await connect();
  socket.push(Buffer.from('220 '));
  await pass(1_000);
  const acquiring = pool.acquire();
  t.is(answers.length, 1);
  socket.push(Buffer.from('ready\n'));
  answers[0]?.(true);
  const lease = await acquiring;
  t.is(await read(lease.socket, GREETING.length), GREETING);
  lease.destroy();
});
