import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { MessageChannel, Worker } from 'node:worker_threads';
import { connectLocalSocket, connectSharedPool } from '../../src/index.js';
import { FAKE_BROKER } from '../helpers/endpoints.js';
import { until } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { closed, echo, read, startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, failureOf, openPool, startSharer } from './kit.js';

const sharingTest = testWhere(canShare, SHARING, test.serial);
const execute = promisify(execFile);

sharingTest('a shared pool in the pool’s own thread hands out working leases', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  t.is(await echo(lease.socket, 'one'), 'one');
  lease.release();
  t.true(lease.spent);
  t.is((await failureOf((async () => lease.socket)())).code, 'INVALID_ARGUMENT');
  t.throws(() => lease.release(), { code: 'INVALID_ARGUMENT' });
  t.is(await shared.use(async ({ socket }) => await echo(socket, 'two')), 'two');
  await t.throwsAsync(
    shared.use(() => Promise.reject(new Error('broken off'))),
    { message: 'broken off' },
  );
  t.true(await until(() => pool.stats().total === 0));
  t.is(pool.stats().targets[0]?.closedByReason.error, 1);
  {
    await using disposed = await shared.acquire();
    t.false(disposed.spent);
  }
  t.true(await until(() => pool.stats().idle === 1));
});

sharingTest('a lease that was on its way to a caller who gave up goes back to the pool', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await pool.use(() => {});
  await using shared = await connectSharedPool(pool.share());
  const aborter = new AbortController();
  pool.once('acquired', () => aborter.abort());
  const failure = await failureOf(shared.acquire({ signal: aborter.signal }));
  t.is(failure.code, 'ABORTED');
  t.true(await until(() => pool.stats().idle === 1));
  t.is(await shared.use(({ socket }) => echo(socket, 'next')), 'next');
});

sharingTest('close of a shared pool does not wait for a lease beyond the end of the pool', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const shared = await connectSharedPool(pool.share());
  const { socket } = await shared.acquire();
  const beganMs = performance.now();
  const closing = shared.close({ timeoutMs: 120_000 });
  await pool.destroy();
  await closing;
  t.true(socket.destroyed);
  t.true(performance.now() - beganMs < 60_000);
});

sharingTest('the errors of a shared pool that the thread finds itself name what was asked for', async (t) => {
  const system = await startSystem(t);
  const { target } = system;
  const pool = openPool(t, system, { max: 1 });
  const shared = await connectSharedPool(pool.share());
  const { brokerEndpoint: endpoint, serviceName, wantedVersion } = target;
  const asked = { endpoint, serviceName, wantedVersion };
  t.like(await failureOf(shared.acquire({ signal: AbortSignal.abort() })), { ...asked, code: 'ABORTED' });
  const lease = await shared.acquire();
  const aborter = new AbortController();
  const aborted = failureOf(shared.acquire({ signal: aborter.signal, wantedVersion: '2.0.0' }));
  aborter.abort();
  t.like(await aborted, { ...asked, code: 'ABORTED', wantedVersion: '2.0.0' });
  const { elapsedMs = Infinity } = await aborted;
  t.true(elapsedMs >= 0 && elapsedMs < 60_000, String(elapsedMs));
  lease.release();
  await shared.close();
  const error = await failureOf(shared.acquire());
  t.like(error, { ...asked, code: 'POOL_CLOSED', elapsedMs: 0 });
  t.true(error.message.includes(`(${serviceName} ${wantedVersion} at ${endpoint}, 0 ms)`));
});

sharingTest(
  'a shared pool leases connections to the service and version that the caller names',
  async (t) => {
    const system = await startSystem(t);
    const { broker, backend, target } = system;
    broker.services.set('other', { endpoint: backend.endpoint, version: '2.0.0' });
    const pool = openPool(t, system);
    await using shared = await connectSharedPool(pool.share());
    const named = { serviceName: 'other', wantedVersion: '2.0.0' };
    const leases = [await shared.acquire(named), await shared.acquire()];
    for (const wanted of [named, { serviceName: target.serviceName, wantedVersion: target.wantedVersion }])
      t.like(
        pool.stats().targets.find(({ serviceName }) => serviceName === wanted.serviceName),
        { ...wanted, leased: 1 },
      );
    for (const lease of leases) lease.release();
  },
);

sharingTest('a shared pool checks options in its own thread', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
  const wrong = [
    { timeoutMs: 0 },
    { serviceName: 'A' },
    { wantedVersion: 'x' },
    { signal: {} },
    { timeout: 5 },
    null,
  ] as object[];
  for (const options of wrong) t.is((await failureOf(shared.acquire(options))).code, 'INVALID_ARGUMENT');
  t.is((await failureOf(shared.close({ timeoutMs: -1 }))).code, 'INVALID_ARGUMENT');
  const aborted = await failureOf(shared.acquire({ signal: AbortSignal.abort() }));
  t.is(aborted.code, 'ABORTED');
  t.is(pool.stats().created, 0, 'none of them got as far as the pool');
});

sharingTest('connecting a port a second time fails, and the first shared pool goes on', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const port = pool.share();
  await using shared = await connectSharedPool(port);
  const acquiring = shared.acquire();
  const error = await failureOf(connectSharedPool(port));
  t.is(error.code, 'INVALID_ARGUMENT');
  t.regex(error.message, /used already/);
  (await acquiring).release();
});

sharingTest(
  'a connected port that is transferred on fails to connect there, and its lease closes as leaked when the port closes',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    const port = pool.share();
    const shared = await connectSharedPool(port);
    const lease = await shared.acquire();
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(port, [port]);
    t.is((await failureOf(shared.acquire())).code, 'POOL_CLOSED');
    t.true(lease.socket.destroyed);
    const [moved] = await once(port2, 'message');
    t.is((await failureOf(connectSharedPool(moved))).code, 'INVALID_ARGUMENT');
    moved.close();
    port1.close();
    t.true(await until(() => pool.stats().leased === 0));
    t.is(pool.stats().targets[0]?.closedByReason.leaked, 1);
    lease.release();
  },
);

sharingTest('connecting anything but a port of a shared pool of the same version fails', async (t) => {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage('something else');
  t.is((await failureOf(connectSharedPool(port2))).code, 'INVALID_ARGUMENT');
  t.is((await failureOf(connectSharedPool(port1))).code, 'INVALID_ARGUMENT');
  port1.close();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript callers may pass
  t.is((await failureOf(connectSharedPool({} as never))).code, 'INVALID_ARGUMENT');
  const { port1: near, port2: far } = new MessageChannel();
  near.postMessage({ kind: 'welcome', version: 99, acquireTimeoutMs: 1 });
  t.regex((await failureOf(connectSharedPool(far))).message, /version 99/);
  near.close();
});

sharingTest(
  'unused ports do not keep their pool from closing, after which share() throws POOL_CLOSED',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    const [, given] = [pool.share(), pool.share()];
    given.close();
    await pool.close();
    t.is((await failureOf((async () => pool.share())())).code, 'POOL_CLOSED');
  },
);

sharingTest(
  'an acquire fails with POOL_CLOSED if the pool ended before its port was connected',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    const port = pool.share();
    await pool.destroy();
    await using shared = await connectSharedPool(port);
    t.is((await failureOf(shared.acquire())).code, 'POOL_CLOSED');
  },
);

sharingTest('a caller in another thread gets a greeting that the pool has read', async (t) => {
  const greeting = 'welcome, stranger';
  const system = await startSystem(t, {
    backend: { onConnection: (socket) => void socket.on('end', () => socket.end()).write(greeting) },
  });
  const pool = openPool(t, system, { min: 1 });
  await pool.warm();
  // Bytes sent before those of a later connection have arrived before them.
  const later = await connectLocalSocket(system.backend.endpoint);
  await read(later, greeting.length);
  await closed(later);
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  t.is(await read(lease.socket, greeting.length), greeting);
  lease.destroy();
});

sharingTest('a thread closes its socket of a lease that it destroys at once', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  const { socket } = lease;
  lease.destroy();
  t.true(socket.destroyed);
});

sharingTest('a lease of a handed-off connection has its token until the connection closes', async (t) => {
  const system = await startSystem(t, { backend: { handoff: 'accept' } });
  const pool = openPool(t, system, { adoptHandedOffConnection: true, endpointCache: false });
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  t.is(lease.route, 'handle-passed');
  const token = lease.handoffToken;
  t.is(token?.length, 16);
  t.is(await echo(lease.socket, 'adopted'), 'adopted');
  lease.release();
  t.true(
    token?.some((byte) => byte !== 0),
    'the thread keeps its socket, and the token, for the next lease',
  );
  pool.clear();
  t.true(
    await until(() => token?.every((byte) => byte === 0) === true),
    'overwritten when the connection closes',
  );
});

sharingTest('an idle shared pool lets its thread end; a lease and a waiting caller do not', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharer = await startSharer(t, pool);
  let exited = false;
  void sharer.exited.then(() => (exited = true));
  await sharer.call('acquire', 'a');
  const held = pool.acquire();
  t.true(await until(() => pool.stats().waiting === 1));
  sharer.tell('acquire', 'b');
  t.true(await until(() => pool.stats().waiting === 2));
  await sharer.call('release', 'a');
  const lease = await held;
  await sharer.call('leave');
  t.false(exited, 'a caller waits');
  lease.release();
  t.true(await until(() => pool.stats().leased === 1));
  t.false(exited, 'a lease is out');
  await sharer.worker.terminate();

  const idle = await startSharer(t, pool);
  await idle.call('acquire', 'a');
  await idle.call('echo', 'a', 'one');
  await idle.call('release', 'a');
  await idle.call('leave');
  await idle.exited;
  t.true(await until(() => pool.stats().idle === 1));
});

sharingTest('no descriptor leaks if a thread ends between taking it and making a socket of it', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: 1 });
  const port = pool.share();
  const source = `
    const { workerData: { port }, receiveMessageOnPort } = require('node:worker_threads');
    const words = new Int32Array(receiveMessageOnPort(port).message.ledger);
    port.on('message', (message) => {
      if (message.kind !== 'lease') return;
      Atomics.or(words, message.slot, 1);
      process.exit();
    });
    port.postMessage({ kind: 'acquire', acquireId: 1, timeoutMs: 5000, askedAtMs: Infinity, abortable: false });
  `;
  const worker = new Worker(source, { eval: true, workerData: { port }, transferList: [port] });
  await once(worker, 'exit');
  t.true(await until(() => pool.stats().leased === 0));
  t.is(pool.stats().targets[0]?.closedByReason.leaked, 1);
  await system.backend.until(() => system.backend.connections === 0);
});

sharingTest('the leases of a pool in a worker thread end when that thread ends', async (t) => {
  const system = await startSystem(t);
  const worker = new Worker(new URL('./pool-thread.js', import.meta.url), {
    workerData: { ...system.target, max: 1 },
  });
  t.teardown(() => worker.terminate());
  const [port] = await once(worker, 'message');
  const shared = await connectSharedPool(port);
  const lease = await shared.acquire();
  t.is(await echo(lease.socket, 'from afar'), 'from afar');
  const waiting = failureOf(shared.acquire());
  const { socket } = lease;
  worker.postMessage('end');
  t.is((await waiting).code, 'POOL_CLOSED');
  t.true(socket.destroyed);
  t.is((await failureOf(shared.acquire())).code, 'POOL_CLOSED');
  lease.release();
  await shared.close();
  await system.backend.until(() => system.backend.connections === 0);
});

test('share() without FFI throws WORKER_FAILED and names koffi', async (t) => {
  const index = new URL('../../src/index.js', import.meta.url).href;
  const source = `
    const { BrokerPool } = await import(${JSON.stringify(index)});
    const pool = new BrokerPool({
      brokerEndpoint: ${JSON.stringify(FAKE_BROKER)}, serviceName: 'demo', wantedVersion: '1.0.0',
    });
    try { pool.share(); } catch ({ code, message }) { console.log(code + ' ' + message); }
  `;
  const environment = { ...process.env, BROKER_POOL_FFI: '0' };
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', source], {
    env: environment,
    timeout: scaled(30_000),
  });
  t.regex(stdout, /^WORKER_FAILED .*koffi/);
});
