import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectSharedPool, type Lease } from '../../../src/index.js';
import { until } from '../../helpers/leftovers.js';
import { scaled } from '../../helpers/patience.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';
import { onWindows, SHARING, testWhere } from '../../helpers/test-where.js';
import { canShare } from '../../sharing/kit.js';

const CHUNK = 16 * 1024;

/** A backend that first reads nothing, then reads without an answer, and at last echoes. */
class SlowReader {
  readonly #sockets = new Set<Socket>();
  received = 0;
  echoes = false;

  readonly onConnection = (socket: Socket): void => {
    this.#sockets.add(
      socket
        .pause()
        .on('error', () => {})
        .on('end', () => socket.end()),
    );
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      if (this.echoes) socket.write(chunk);
    });
    // The listener has made the socket flow.
    socket.pause();
  };

  read(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** Sends bytes without a request. */
  speak(): void {
    for (const socket of this.#sockets) socket.write('unasked');
  }

  /** Ends all connections at once. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  get connected(): boolean {
    return this.#sockets.size > 0;
  }
}

async function open(t: ExecutionContext) {
  const backend = new SlowReader();
  const { target } = await startSystem(t, { backend: { onConnection: backend.onConnection } });
  const pool = new BrokerPool({ ...target, max: 1 });
  t.teardown(() => pool.destroy());
  return { backend, pool };
}

/** A pipe of Windows takes what it has room for in later turns; a socket takes it at once. */
async function isSent(socket: Socket): Promise<boolean> {
  const sent = (): boolean => socket.writableLength === 0;
  return onWindows ? until(sent, scaled(100)) : sent();
}

/** Writes more than the kernel has room for, by one chunk. Resolves to how many bytes that is. */
async function fill({ socket }: Lease): Promise<number> {
  let written = 0;
  do {
    socket.write(Buffer.alloc(CHUNK));
    written += CHUNK;
  } while (await isSent(socket));
  return written;
}

test('a connection with a small unsent rest is reserved until the rest is sent, and then serves the waiter', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  const written = await fill(lease);
  await until(() => backend.connected);
  lease.release();
  t.like(pool.stats(), { total: 1, idle: 0, leased: 0 });
  t.is(pool.tryAcquire(), undefined);
  const waiting = pool.acquire();
  backend.read();
  const next = await waiting;
  t.is(next.connectionId, 1);
  t.true(await until(() => backend.received === written));
  backend.echoes = true;
  t.is(await echo(next.socket, 'mine'), 'mine');
  next.release();
  t.like(pool.stats(), { total: 1, created: 1, idle: 1 });
});

test('a connection whose rest is not sent in time is closed as dirty', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  await fill(lease);
  const closed = once(pool, 'connectionClosed');
  lease.release();
  t.is(pool.stats().total, 1);
  const [{ reason }] = await closed;
  t.is(reason, 'dirty');
  t.is(pool.stats().total, 0);
});

test('a connection with more than 64 KiB unsent is closed as dirty at once', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  lease.socket.write(Buffer.alloc(4 * 1024 * 1024));
  lease.release();
  t.like(pool.stats(), { total: 0, closedByReason: { dirty: 1 } });
});

test('a connection is closed as dirty if its former holder writes while the rest is sent', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  const { socket } = lease;
  await fill(lease);
  await until(() => backend.connected);
  lease.release();
  socket.write('late');
  const closed = once(pool, 'connectionClosed');
  backend.read();
  const [{ reason }] = await closed;
  t.is(reason, 'dirty');
});

test('a connection is closed as dirty if bytes arrive while the rest is sent', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  lease.socket.on('data', () => {});
  await fill(lease);
  await until(() => backend.connected);
  lease.release();
  const closed = once(pool, 'connectionClosed');
  backend.speak();
  await turn();
  backend.read();
  const [{ reason }] = await closed;
  t.is(reason, 'dirty');
});

test('a connection of a target that is cleared while the rest is sent closes as stale after that', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  const written = await fill(lease);
  await until(() => backend.connected);
  lease.release();
  pool.clear();
  t.is(pool.stats().total, 1);
  backend.read();
  t.true(await until(() => backend.received === written));
  t.true(await until(() => pool.stats().total === 0));
  t.like(pool.stats().closedByReason, { stale: 1, dirty: 0 });
});

// Serial: it counts the pipes of the process.
test.serial('a connection does not keep the process alive once its rest is sent', async (t) => {
  const { backend, pool } = await open(t);
  const awake = (): number => process.getActiveResourcesInfo().filter((type) => type === 'PipeWrap').length;
  const lease = await pool.acquire();
  await fill(lease);
  await until(() => backend.connected);
  const leased = awake();
  lease.release();
  backend.read();
  t.true(await until(() => pool.stats().idle === 1));
  t.true(await until(() => awake() < leased));
});

test('close waits until the last bytes are sent', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  const written = await fill(lease);
  await until(() => backend.connected);
  lease.release();
  const closing = pool.close();
  backend.read();
  await closing;
  t.true(await until(() => backend.received === written));
  t.like(pool.stats(), { total: 0, closedByReason: { dirty: 0, poolClosed: 1 } });
});

test('close does not wait for a connection that died while its rest was sent', async (t) => {
  const { backend, pool } = await open(t);
  const lease = await pool.acquire();
  await fill(lease);
  await until(() => backend.connected);
  lease.release();
  t.is(pool.stats().total, 1);
  backend.hangUp();
  t.true(await until(() => pool.stats().total === 0));
  let hasClosed = false;
  const closing = pool.close().then(() => (hasClosed = true));
  t.true(await until(() => hasClosed));
  await closing;
});

test('destroy closes a connection whose rest is being sent', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  await fill(lease);
  lease.release();
  await pool.destroy();
  t.like(pool.stats(), { total: 0, closedByReason: { dirty: 0, poolClosed: 1 } });
});

testWhere(canShare, SHARING)('a connection of a shared pool comes back when its rest is sent', async (t) => {
  const { backend, pool } = await open(t);
  const shared = await connectSharedPool(pool.share());
  t.teardown(() => shared.close({ timeoutMs: 0 }));
  const lease = await shared.acquire();
  const written = await fill(lease);
  await until(() => backend.connected);
  lease.release();
  const waiting = pool.acquire();
  backend.read();
  const next = await waiting;
  t.is(next.connectionId, 1);
  t.true(await until(() => backend.received === written));
  next.release();
  t.is(pool.stats().created, 1);
});
