/**
 * What users of connection pools ask for again and again, each point by its number. The second half of point
 * 13, one limit for all threads of a process, is tested in test/sharing.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { AcquiredEvent, LeakSuspectedEvent, Lease } from '../../src/index.js';
import { EmbeddedBackend } from '../../src/testing/embedded-backend.js';
import { EmbeddedBroker } from '../../src/testing/embedded-broker.js';
import { spawnTestSystem } from '../../src/testing/spawned-system.js';
import { endpointIn } from '../helpers/endpoints.js';
import { fakePool } from '../helpers/fake-pool.js';
import { until } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import { failureOf, openPool } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { echo, SERVICE, startSystem, VERSION, type TestSystem } from '../helpers/system.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

/** Starts broker and backend again where they were. */
async function startAgain(
  t: ExecutionContext,
  { broker, backend, directory }: TestSystem,
): Promise<EmbeddedBackend> {
  const again = await EmbeddedBackend.start({ directory, endpoint: backend.endpoint });
  const brokerAgain = await EmbeddedBroker.start({
    directory,
    endpoint: broker.endpoint,
    services: { [SERVICE]: { endpoint: again.endpoint, version: VERSION } },
  });
  t.teardown(async () => {
    await brokerAgain.stop();
    await again.stop();
  });
  return again;
}

test('1: a pool that fell to zero refills to min after an outage, without a caller', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { min: 3 });
  await pool.warm();
  await system.broker.stop();
  await system.backend.stop();
  t.true(await until(() => pool.stats().total === 0));
  t.true(await until(() => pool.stats().connectFailures > 0), 'it has tried in vain');
  const backend = await startAgain(t, system);
  t.true(await until(() => pool.stats().idle === 3));
  await backend.until(() => backend.acceptedCount === 3);
  t.is(pool.stats().waiting, 0);
  t.is(await pool.use(({ socket }) => echo(socket, 'back')), 'back');
});

test('2: acquire fails with the cause when connecting fails', async (t) => {
  const system = await startSystem(t);
  const noBroker = openPool(t, system.target, { brokerEndpoint: endpointIn(system.directory, 'none') });
  t.like(await failureOf(noBroker.acquire()), {
    code: 'BROKER_CONNECT',
    endpoint: endpointIn(system.directory, 'none'),
    cause: { code: 'ENOENT' },
  });
  system.broker.services.set('gone', { endpoint: endpointIn(system.directory, 'gone') });
  const noBackend = openPool(t, system.target);
  t.like(await failureOf(noBackend.acquire({ serviceName: 'gone' })), {
    code: 'BACKEND_CONNECT',
    cause: { code: 'ENOENT' },
  });
});

test('2: acquire that times out fails with the error of the latest connect as its cause', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { endpointCache: false });
  const held = await pool.acquire();
  await system.broker.stop();
  // The lease that is out may come back, so the failure of a connect does not fail those who wait.
  const patient = failureOf(pool.acquire());
  t.true(await until(() => pool.stats().connectFailures > 0));
  t.like(await failureOf(pool.acquire({ timeoutMs: scaled(20) })), {
    code: 'TIMEOUT',
    cause: { code: 'BROKER_CONNECT' },
  });
  await pool.destroy();
  t.is((await patient).code, 'POOL_CLOSED');
  t.notThrows(() => held.release());
});

test('3: warm connections are really warm', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { min: 3, max: 5 });
  await pool.warm();
  t.like(pool.stats(), { total: 3, idle: 3, connecting: 0 });
  await system.backend.until(() => system.backend.acceptedCount === 3);
  const leases = [pool.tryAcquire(), pool.tryAcquire(), pool.tryAcquire()];
  for (const [index, lease] of leases.entries())
    t.is(lease && (await echo(lease.socket, `warm ${index}`)), `warm ${index}`);
  t.is(system.backend.acceptedCount, 3, 'nothing had to be opened');
  for (const lease of leases) lease?.release();
});

test('3: who waits for a pool to become warm learns why it does not', async (t) => {
  const system = await startSystem(t);
  await system.broker.stop();
  const pool = openPool(t, system.target, { min: 2 });
  t.is((await failureOf(pool.warm())).code, 'BROKER_CONNECT');
});

test('4: close ends within its limit, and tells each waiter', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 1 });
  const held = await pool.acquire();
  const { socket } = held;
  const waiting = [
    failureOf(pool.acquire()),
    failureOf(pool.acquire()),
    failureOf(pool.acquire({ timeoutMs: 60_000 })),
  ];
  await pool.close({ timeoutMs: 30 });
  for (const error of await Promise.all(waiting)) {
    t.is(error.code, 'POOL_CLOSED');
    t.regex(error.message, /within 30 ms/);
  }
  t.true(socket.destroyed);
  t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
});

test('4: close loses no caller who can still be served', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 2 });
  const held = [await pool.acquire(), await pool.acquire()];
  let served = 0;
  const waiting = Array.from({ length: 20 }, async () => {
    const lease = await pool.acquire();
    served += 1;
    t.is(await echo(lease.socket, 'bye'), 'bye');
    lease.release();
  });
  const closing = pool.close();
  for (const lease of held) lease.release();
  await Promise.all([...waiting, closing]);
  t.is(served, 20);
});

test('5: the error says whether the time went by in the queue, at the broker or in a validation', async (t) => {
  const system = await startSystem(t);
  let hang = false;
  const validate = (): boolean | Promise<boolean> => (hang ? new Promise<boolean>(() => {}) : true);
  const pool = openPool(t, system.target, {
    max: 1,
    validate,
    validateAfterIdleMs: 0,
    validateTimeoutMs: 600_000,
  });
  system.broker.behaviour = { kind: 'silent' };
  t.is((await failureOf(pool.acquire({ timeoutMs: scaled(100) }))).phase, 'hello');
  await system.broker.until(() => system.broker.helloCount === 1);
  system.broker.releaseSilent();
  const held = await pool.acquire();
  t.is((await failureOf(pool.acquire({ timeoutMs: scaled(100) }))).phase, 'queue');
  hang = true;
  held.release();
  t.is((await failureOf(pool.acquire({ timeoutMs: scaled(100) }))).phase, 'validate');
});

testWhere(!onWindows, 'SIGSTOP')(
  '5: the error says that the time went by in a dial of the backend',
  async (t) => {
    await using system = await spawnTestSystem({ backlog: 1, handoff: 'none' });
    const pool = openPool(t, system.target, { max: 20, maxConnecting: 1 });
    const leases = [await pool.acquire()];
    system.backend.pause();
    // A stopped backend accepts nothing: its backlog fills up, and the next dial has to wait.
    let phase: string | undefined;
    while (phase === undefined) {
      try {
        leases.push(await pool.acquire({ timeoutMs: scaled(100) }));
      } catch (error) {
        phase = error instanceof Error && 'phase' in error ? String(error.phase) : 'none';
      }
    }
    t.is(phase, 'connect');
    for (const lease of leases) lease.destroy();
    await pool.destroy();
  },
);

test('6: dead idle connections are closed before a caller gets them', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { min: 0 });
  const leases = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  for (const { socket } of leases) await echo(socket, 'alive');
  for (const lease of leases) lease.release();
  system.backend.dropAll();
  t.true(await until(() => pool.stats().total === 0));
  t.is(pool.stats().closedByReason.stale, 3);
  t.is(await pool.use(({ socket }) => echo(socket, 'alive')), 'alive');
});

test('6: an error event on a pooled connection never ends the process', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target);
  const released = await pool.acquire();
  const leased = await pool.acquire();
  const sockets = [released.socket, leased.socket];
  released.release();
  for (const socket of sockets) {
    socket.removeAllListeners();
    socket.destroy(new Error('broken pipe'));
    socket.emit('error', new Error('made up'));
    await turn();
  }
  t.like(pool.stats(), { total: 1, idle: 1, leased: 0, closedByReason: { error: 1 } });
  leased.release();
});

test('7: waiters are served in their order', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 3 });
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const lease = await pool.acquire();
      order.push(index);
      if (index % 3 === 0) await turn();
      if (index % 7 === 0) lease.destroy();
      else lease.release();
    }),
  );
  t.deepEqual(
    order,
    Array.from({ length: 200 }, (_, index) => index),
  );
});

test('7: idle connections are chosen newest first, so that spare ones can die', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { idleTimeoutMs: scaled(150) });
  const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
  for (const lease of leases) lease.release();
  const used = new Set<number>();
  while (pool.stats().total > 1) {
    used.add(await pool.use(({ connectionId }) => connectionId));
    await turn();
  }
  t.is(used.size, 1, 'one was enough for one caller');
  t.is(pool.stats().closedByReason.idle, 4);
});

test('8: the queue is bounded', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 1, maxWaiting: 3 });
  const held = await pool.acquire();
  const waiting = [pool.acquire(), pool.acquire(), pool.acquire()];
  const error = await failureOf(pool.acquire());
  t.is(error.code, 'QUEUE_FULL');
  t.regex(error.message, /no more than 3 .* waiting 3/);
  held.release();
  for (const lease of waiting) (await lease).release();
  (await pool.acquire()).release();
});

test('8: the sockets of all targets together are bounded', async (t) => {
  const system = await startSystem(t);
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) system.broker.services.set(name, { endpoint: system.backend.endpoint });
  // 200 callers change the targets of five sockets: a busy machine needs more than the default for that.
  const pool = openPool(t, system.target, { max: 10, maxTotal: 5, acquireTimeoutMs: 600_000 });
  let most = 0;
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      await pool.use(
        async ({ socket }) => {
          await echo(socket, 'x');
          const { total, connecting } = pool.stats();
          most = Math.max(most, total + connecting);
        },
        { serviceName: names[index % names.length] ?? 'a' },
      );
    }),
  );
  t.true(most <= 5, `${most}`);
  t.true(system.backend.connections <= 5);
});

test('9: giving up a wait loses no connection', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { max: 4, maxConnecting: 4, endpointCache: false });
  for (let round = 0; round < 10; round++) {
    const abort = new AbortController();
    const acquires = Array.from({ length: 10 }, () => pool.acquire({ signal: abort.signal }));
    if (round % 2 === 0) await turn();
    abort.abort();
    for (const outcome of await Promise.allSettled(acquires))
      if (outcome.status === 'fulfilled') outcome.value.release();
  }
  t.true(await until(() => pool.stats().connecting === 0));
  const { total, idle, leased } = pool.stats();
  t.true(total >= 1);
  t.deepEqual([idle, leased], [total, 0]);
  await system.backend.until(() => system.backend.connections === total);
  const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
  for (const lease of leases) {
    t.is(await echo(lease.socket, 'mine'), 'mine');
    lease.release();
  }
});

test('10: no connection storms: only so many connects run at once', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { max: 50, maxConnecting: 3, endpointCache: false });
  // Cold targets send one Hello only.
  (await pool.acquire()).destroy();
  system.broker.behaviour = { kind: 'silent' };
  const leases = Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
  await system.broker.until(() => system.broker.openConnections === 3);
  t.like(pool.stats(), { connecting: 3, waiting: 50 });
  system.broker.behaviour = { kind: 'answer' };
  let most = 0;
  pool.on('connectionCreated', () => (most = Math.max(most, pool.stats().connecting)));
  system.broker.releaseSilent();
  for (const lease of await leases) lease.release();
  t.is(most, 3);
});

test('10: connections born together do not die together', async (t) => {
  const { pool, clock, connect, driver } = fakePool(t, { max: 30, maxConnecting: 30, maxLifetimeMs: 1_000 });
  const chance = new SeededRandom(1);
  clock.chance = () => chance.next();
  const ages: number[] = [];
  pool.on('connectionClosed', ({ reason, ageMs }) => reason === 'lifetime' && ages.push(ageMs));
  const acquiring = Array.from({ length: 30 }, () => pool.acquire());
  while (driver.pending.size > 0) await connect();
  for (const lease of await Promise.all(acquiring)) lease.release();
  clock.advance(1_000);
  t.is(ages.length, 30);
  t.true(Math.min(...ages) >= 900, 'none lives much shorter');
  t.true(new Set(ages).size > 20, 'hardly any two at the same time');
});

test('11: a leak is reported with the stack of the caller that acquired', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { leakThresholdMs: 20 });
  const reported = new Promise<LeakSuspectedEvent>((resolve) => pool.once('leakSuspected', resolve));
  async function carelessCaller(): Promise<Lease> {
    return await pool.acquire();
  }
  const lease = await carelessCaller();
  const { stack, connectionId, heldMs, lost } = await reported;
  t.regex(stack, /carelessCaller/);
  t.notRegex(stack, /broker-pool\.[jt]s/, "without the pool's own lines");
  t.deepEqual([connectionId, lost], [lease.connectionId, false]);
  t.true(heldMs >= 19);
  lease.release();
});

test('11: a double release is caught, and a released handle no longer works', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 1 });
  const first = await pool.acquire();
  first.release();
  const second = await pool.acquire();
  t.throws(() => first.release(), { code: 'INVALID_ARGUMENT' });
  t.throws(() => first.socket, { code: 'INVALID_ARGUMENT' });
  t.is(await echo(second.socket, 'untouched'), 'untouched');
  t.like(pool.stats(), { leased: 1, idle: 0 });
  second.release();
});

test('12: it tells how long callers wait, not only how many', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 1 });
  const waits: number[] = [];
  pool.on('acquired', ({ waitMs }: AcquiredEvent) => waits.push(waitMs));
  const held = await pool.acquire();
  const waiting = pool.acquire();
  // Waits begin at the end of the turn in which they begin, however long that takes.
  await turn();
  t.true(await until(() => pool.stats().oldestWaitMs >= 20));
  // Waits end at the time of the turn in which they end, and this turn began earlier.
  await turn();
  held.release();
  (await waiting).release();
  const { waitMs, oldestWaitMs } = pool.stats();
  t.true((waits[1] ?? 0) >= 20);
  t.is(waitMs.count, 2);
  t.true(waitMs.maxMs >= 20 && Math.abs(waitMs.sumMs - waits.reduce((sum, wait) => sum + wait, 0)) < 1);
  t.is(oldestWaitMs, 0);
});

test('13: await using gives the connection back, whatever happens in the block', async (t) => {
  const pool = openPool(t, (await startSystem(t)).target, { max: 1 });
  await t.throwsAsync(
    async () => {
      await using lease = await pool.acquire();
      t.is(await echo(lease.socket, 'x'), 'x');
      throw new Error('mine');
    },
    { message: 'mine' },
  );
  t.like(pool.stats(), { idle: 1, leased: 0 });
  await using pools = openPool(t, (await startSystem(t)).target);
  await pools.use(() => {});
});
