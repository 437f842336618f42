import { PROTOCOL } from '../frames/frame-backend.js';
import { startPooled } from '../frames/kit.js';
import { until } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { echo, startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, failureOf, openPool, poolEvent, startSharer } from './kit.js';

/** One at a time: each starts threads of its own. */
const sharingTest = testWhere(canShare, SHARING, test.serial);

sharingTest('a lease in another thread is a working connection of the pool', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const sharer = await startSharer(t, pool);
  // `released` is published only for a lease whose `acquired` would have been.
  const released = poolEvent(pool, 'released');
  const lease = await sharer.call('acquire', 'a');
  t.is(lease.endpoint, system.backend.endpoint);
  t.is(lease.route, 'broker-negotiated');
  t.is(typeof lease.daemonVersion, 'string');
  t.is(await sharer.call('echo', 'a', 'over there'), 'over there');
  t.like(pool.stats(), { total: 1, leased: 1, idle: 0 });
  await sharer.call('release', 'a');
  await released;
  t.like(pool.stats(), { total: 1, leased: 0, idle: 1 });
  const own = await pool.acquire();
  t.is(own.connectionId, lease.connectionId);
  t.is(await echo(own.socket, 'over here'), 'over here');
  own.release();
  t.is(system.backend.acceptedCount, 1);
});

sharingTest('three threads lease one connection in turn, and each reads its own reply', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharers = [await startSharer(t, pool), await startSharer(t, pool)];
  for (let round = 0; round < 20; round++) {
    for (const [index, sharer] of sharers.entries()) {
      await sharer.call('acquire', 'a');
      t.is(await sharer.call('echo', 'a', `round ${round} of ${index}`), `round ${round} of ${index}`);
      await sharer.call('release', 'a');
    }
    const lease = await pool.acquire();
    t.is(await echo(lease.socket, `round ${round} here`), `round ${round} here`);
    lease.release();
  }
  t.like(pool.stats(), { created: 1, total: 1 });
});

sharingTest('a request in another thread fails with POOL_CLOSED when the pool is destroyed', async (t) => {
  const { backend, pool } = await startPooled(t, () => {});
  const sharer = await startSharer(t, pool);
  const request = failureOf(sharer.call('request', PROTOCOL));
  await backend.until(() => backend.requests.length === 1);
  // The other thread sees the end of the connection before the news that the pool has ended.
  pool.once('connectionClosed', () => sharer.holdUntilRequestEnds());
  await pool.destroy();
  t.is((await request).code, 'POOL_CLOSED');
});

sharingTest('a released socket with listeners gets no bytes of another thread’s lease', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const [greedy, other] = [await startSharer(t, pool), await startSharer(t, pool)];
  for (let round = 0; round < 50; round++) {
    await greedy.call('acquire', 'a');
    await greedy.call('echo', 'a', 'mine');
    await greedy.call('leaveListeners', 'a');
    await other.call('acquire', 'b');
    t.is(await other.call('echo', 'b', `secret ${round}`), `secret ${round}`);
    await other.call('release', 'b');
    const lease = await pool.acquire();
    t.is(await echo(lease.socket, `own secret ${round}`), `own secret ${round}`);
    lease.release();
  }
  t.is(await greedy.call('overheard'), '');
  t.like(pool.stats(), { created: 1, total: 1 });
});

sharingTest('the pool serves the callers of all threads in their order', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const [first, second] = [await startSharer(t, pool), await startSharer(t, pool)];
  const held = await pool.acquire();
  const order: string[] = [];
  const waiting: Promise<unknown>[] = [];
  const line: [string, typeof first | undefined][] = [
    ['1', first],
    ['2', second],
    ['3', undefined],
    ['4', second],
    ['5', first],
  ];
  for (const [name, sharer] of line) {
    const taken = async (): Promise<void> => {
      if (sharer === undefined) {
        const lease = await pool.acquire();
        order.push(name);
        lease.release();
      } else {
        await sharer.call('acquire', name);
        order.push(name);
        await sharer.call('release', name);
      }
    };
    waiting.push(taken());
    const position = waiting.length;
    t.true(await until(() => pool.stats().waiting === position));
  }
  held.release();
  await Promise.all(waiting);
  t.deepEqual(order, ['1', '2', '3', '4', '5']);
});

sharingTest(
  'an acquire in another thread times out, with the counts of the pool in the message',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    const held = await pool.acquire();
    // The pool's thread must answer within this.
    const error = await failureOf(sharer.call('acquire', 'a', { timeoutMs: scaled(250) }));
    t.like(error, { code: 'TIMEOUT', phase: 'queue' });
    t.regex(error.message, /within \d+ ms .*total 1, idle 0, connecting 0, waiting 1/);
    held.release();
    await sharer.call('acquire', 'a');
  },
);

sharingTest('an acquire in another thread fails with the error of the connect and its cause', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const sharer = await startSharer(t, pool);
  await system.broker.stop();
  const error = await failureOf(sharer.call('acquire', 'a', { timeoutMs: 20_000 }));
  t.is(error.code, 'BROKER_CONNECT');
  t.is(error.endpoint, system.broker.endpoint);
  t.true(error.cause instanceof Error);
  t.like(error.cause, { code: 'ENOENT' });
  const wrong = await failureOf(sharer.call('acquire', 'a', { serviceName: 'UPPER' }));
  t.is(wrong.code, 'INVALID_ARGUMENT');
  t.regex(wrong.message, /serviceName/);
});

sharingTest(
  'an acquire that is aborted in another thread leaves the queue, and costs no connection',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    const held = await pool.acquire();
    const waiting = failureOf(sharer.call('acquire', 'a'));
    t.true(await until(() => pool.stats().waiting === 1));
    const failed = poolEvent(pool, 'acquireFailed');
    await sharer.call('abort', 'a');
    const error = await waiting;
    t.is(error.code, 'ABORTED');
    t.is(error.cause instanceof Error && error.cause.message, 'a is not wanted');
    await failed;
    t.is(pool.stats().waiting, 0);
    held.release();
    await sharer.call('acquire', 'b');
    t.is(await sharer.call('echo', 'b', 'still there'), 'still there');
  },
);

sharingTest(
  'a connection that another thread releases with unread or unsent bytes closes as dirty',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    const sharer = await startSharer(t, pool);
    const leave = async (how: (name: string) => Promise<unknown>): Promise<void> => {
      await sharer.call('acquire', 'a');
      const closed = poolEvent(pool, 'connectionClosed');
      await how('a');
      await closed;
    };
    // Unread, and not even read by the thread's loop yet.
    await leave(async (name) => {
      await sharer.call('write', name, 'unread');
      await sharer.call('release', name);
    });
    await leave(async (name) => {
      await sharer.call('write', name, 'unsent '.repeat(1_000_000));
      await sharer.call('release', name);
    });
    t.is(pool.stats().targets[0]?.closedByReason.dirty, 2);
    await leave(async (name) => await sharer.call('destroy', name, 'invalid'));
    t.is(pool.stats().targets[0]?.closedByReason.invalid, 1);
  },
);

sharingTest(
  'a connection with bytes that its thread has not seen at release does not go to a waiter',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    await sharer.call('acquire', 'a');
    const waiting = pool.acquire();
    await sharer.call('releaseUnseen', 'a', 100);
    const lease = await waiting;
    t.is(await echo(lease.socket, 'clean'), 'clean');
    t.is(pool.stats().targets[0]?.closedByReason.dirty, 1);
    lease.release();
  },
);

sharingTest(
  'a connection that its backend ends during a lease in another thread gives up its place before the release',
  async (t) => {
    const system = await startSystem(t);
    const pool = openPool(t, system);
    const sharer = await startSharer(t, pool);
    await sharer.call('acquire', 'a');
    await sharer.call('echo', 'a', 'alive');
    const closed = poolEvent(pool, 'connectionClosed');
    system.backend.dropAll();
    await sharer.call('ended', 'a');
    await closed;
    t.like(pool.stats(), { total: 0, leased: 0 });
    t.is(pool.stats().targets[0]?.closedByReason.stale, 1);
    await sharer.call('release', 'a');
    await sharer.call('acquire', 'b');
    t.is(await sharer.call('echo', 'b', 'again'), 'again');
  },
);

sharingTest('an idle connection that its backend ends closes, and its thread gets a new one', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('echo', 'a', 'heard');
  await sharer.call('release', 'a');
  t.true(await until(() => pool.stats().idle === 1));
  const closed = poolEvent(pool, 'connectionClosed');
  system.backend.dropAll();
  await closed;
  t.is(pool.stats().total, 0);
  t.is(pool.stats().cachedEndpoints, 1, 'the backend has been heard, if only in another thread (X-26)');
  await sharer.call('acquire', 'b');
  t.is(await sharer.call('echo', 'b', 'new'), 'new');
});

sharingTest('destroying a socket after its release does not end the connection', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  const { connectionId } = await sharer.call('acquire', 'a');
  await sharer.call('destroyAfterRelease', 'a');
  const second = await sharer.call('acquire', 'b');
  t.is(second.connectionId, connectionId);
  t.is(await sharer.call('echo', 'b', 'fine'), 'fine');
});

sharingTest(
  'destroying the socket of an earlier lease in the pool’s thread does not end the lease of another thread',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    const own = await pool.acquire();
    const { socket } = own;
    own.release();
    await sharer.call('acquire', 'a');
    socket.destroy();
    t.is(await sharer.call('echo', 'a', 'fine'), 'fine');
    t.like(pool.stats(), { total: 1, leased: 1 });
    await sharer.call('release', 'a');
  },
);

for (const how of ['terminate', 'exit', 'fail'] as const) {
  sharingTest(
    `a thread that ends in mid-lease gives back its leases and its place in the queue: ${how}`,
    async (t) => {
      const system = await startSystem(t);
      const pool = openPool(t, system, { max: 2 });
      const [doomed, other] = [await startSharer(t, pool), await startSharer(t, pool)];
      await doomed.call('acquire', 'a');
      await doomed.call('echo', 'a', 'one');
      await doomed.call('acquire', 'b');
      const abandoned = failureOf(doomed.call('acquire', 'c'));
      abandoned.catch(() => {});
      t.true(await until(() => pool.stats().waiting === 1));
      const served = Promise.all([other.call('acquire', 'd'), other.call('acquire', 'e')]);
      t.true(await until(() => pool.stats().waiting === 3));
      const reasons: string[] = [];
      pool.on('connectionClosed', ({ reason }) => reasons.push(reason));
      if (how === 'terminate') await doomed.worker.terminate();
      else doomed.tell(how, 1);
      await served;
      t.is(await other.call('echo', 'd', 'two'), 'two');
      t.deepEqual(reasons, ['leaked', 'leaked']);
      t.like(pool.stats(), { total: 2, leased: 2, waiting: 0 });
      await system.backend.until(() => system.backend.connections === 2);
    },
  );
}

sharingTest('a thread that ends without leases costs no connection', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('echo', 'a', 'one');
  await sharer.call('release', 'a');
  await sharer.worker.terminate();
  const lease = await pool.acquire();
  t.is(await echo(lease.socket, 'two'), 'two');
  lease.release();
  t.like(pool.stats(), { created: 1, total: 1 });
});

sharingTest('a lease that an ended thread has not taken goes to the next caller', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharer = await startSharer(t, pool);
  const held = await pool.acquire();
  sharer.tell('acquire', 'a');
  t.true(await until(() => pool.stats().waiting === 1));
  await sharer.block();
  const acquired = poolEvent(pool, 'acquired');
  held.release();
  await acquired;
  await sharer.worker.terminate();
  const lease = await pool.acquire();
  t.is(lease.connectionId, 1);
  t.is(await echo(lease.socket, 'unspoilt'), 'unspoilt');
  lease.release();
});

sharingTest('destroying the pool ends the lease of a busy thread at once', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: 1 });
  const [holder, waiter] = [await startSharer(t, pool), await startSharer(t, pool)];
  await holder.call('acquire', 'a');
  await holder.call('echo', 'a', 'one');
  const waiting = failureOf(waiter.call('acquire', 'b'));
  t.true(await until(() => pool.stats().waiting === 1));
  await holder.block();
  await pool.destroy(new Error('enough'));
  await system.backend.until(() => system.backend.connections === 0);
  t.true(holder.blocked, 'the backend need not wait for the thread');
  holder.wake();
  const error = await waiting;
  t.is(error.code, 'POOL_CLOSED');
  t.is(error.cause instanceof Error && error.cause.message, 'enough');
  await holder.call('ended', 'a');
  await holder.call('release', 'a');
  t.is((await failureOf(holder.call('acquire', 'c'))).code, 'POOL_CLOSED');
});

sharingTest('closing the pool waits for the leases of other threads', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  let isClosed = false;
  const closing = pool.close().then(() => (isClosed = true));
  t.is((await failureOf(sharer.call('acquire', 'b'))).code, 'POOL_CLOSED');
  t.is(await sharer.call('echo', 'a', 'not yet'), 'not yet');
  t.false(isClosed);
  await sharer.call('release', 'a');
  await closing;
  t.is(pool.stats().total, 0);
});

sharingTest('closing the pool destroys the leases of other threads after its limit', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await pool.close({ timeoutMs: 20 });
  await sharer.call('ended', 'a');
  t.is(pool.stats().targets[0]?.closedByReason.poolClosed, 1);
});

sharingTest('close() of a shared pool waits for its leases, and the pool goes on', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  const closing = sharer.call('close');
  t.is((await failureOf(sharer.call('acquire', 'b'))).code, 'POOL_CLOSED');
  t.is(await sharer.call('echo', 'a', 'last'), 'last');
  await sharer.call('release', 'a');
  await closing;
  // The thread has said so on two ports, and this test has heard only one of them.
  t.true(await until(() => pool.stats().idle === 1));
  const lease = await pool.acquire();
  t.is(await echo(lease.socket, 'on'), 'on');
  lease.release();
  t.is(pool.stats().created, 1);
});

sharingTest(
  'close() of a shared pool destroys its leases after its limit, and its waiting callers get POOL_CLOSED',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    await sharer.call('acquire', 'a');
    const waiting = failureOf(sharer.call('acquire', 'b'));
    t.true(await until(() => pool.stats().waiting === 1));
    await sharer.call('close', { timeoutMs: 0 });
    t.is((await waiting).code, 'POOL_CLOSED');
    t.true(await until(() => pool.stats().total === 0));
    t.like(pool.stats(), { total: 0, waiting: 0, created: 1 });
    t.is(pool.stats().targets[0]?.closedByReason.destroyed, 1);
  },
);

sharingTest('an invalid message cuts off its thread, and other threads go on', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 2 });
  const [broken, other] = [await startSharer(t, pool), await startSharer(t, pool)];
  await broken.call('acquire', 'a');
  await other.call('acquire', 'b');
  await broken.call('post', { kind: 'release', acquireId: 'one' });
  await broken.call('ended', 'a');
  t.is((await failureOf(broken.call('acquire', 'c'))).code, 'WORKER_FAILED');
  t.is(await other.call('echo', 'b', 'unharmed'), 'unharmed');
  t.is(pool.stats().targets[0]?.closedByReason.error, 1);
  await broken.call('release', 'a');
});

sharingTest('an acquire times out while the pool’s thread is too busy to answer', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await pool.use(() => {});
  const waiting = failureOf(sharer.call('acquire', 'a', { timeoutMs: 50 }));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, scaled(600));
  const error = await waiting;
  t.like(error, { code: 'TIMEOUT', phase: 'queue' });
  t.regex(error.message, /did not answer/);
  t.true(await until(() => pool.stats().idle === 1), 'the lease that came too late went back');
});
