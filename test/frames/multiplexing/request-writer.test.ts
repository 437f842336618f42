/**
 * Requests on a connection that its backend has closed while the session has not heard of that. The tests close it in
 * the turn in which they make the requests, so that the write comes before the session reads the end.
 */
import { Fifo } from '../../../src/fifo.js';
import type { LeasingPool } from '../../../src/frames/index.js';
import { PendingRequest } from '../../../src/frames/multiplexing/pending-request.js';
import { RequestTable } from '../../../src/frames/multiplexing/request-table.js';
import { RequestWriter } from '../../../src/frames/multiplexing/request-writer.js';
import { failureOf } from '../../helpers/pools.js';
import { POSIX, onWindows, testWhere } from '../../helpers/test-where.js';
import { PROTOCOL } from '../frame-backend.js';
import { bytes, openDirect, openPooled, startBackend, startPooled, text } from '../kit.js';

const onLinux = process.platform === 'linux';
const LINUX = 'Linux, where a write that fails has delivered nothing';

const onPosix = testWhere(!onWindows, POSIX);

onPosix('a request that a closed connection does not take goes to another one', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend, { connections: 1 });
  await session.request(bytes('opens the connection'));
  backend.dropAll();
  t.is(text(await session.request(bytes('x'))), 'x');
  t.deepEqual(
    backend.connections.map(({ requests }) => requests.length),
    [1, 1],
  );
});

testWhere(onLinux, LINUX)(
  'all requests of a write that delivers nothing go to another connection',
  async (t) => {
    const backend = await startBackend(t);
    const session = openDirect(t, backend, { connections: 1 });
    await session.request(bytes('opens the connection'));
    backend.dropAll();
    const payloads = [
      bytes('a'),
      new Uint8Array(200 * 1024),
      bytes('b'),
      new Uint8Array(300 * 1024),
      bytes('c'),
    ];
    const answers = await Promise.all(payloads.map((payload) => session.request(payload)));
    t.deepEqual(
      answers.map(({ length }) => length),
      payloads.map(({ length }) => length),
    );
    t.is(backend.requests.length, 1 + payloads.length);
  },
);

onPosix('a request that was delivered is not repeated when a later write fails', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    if (text(request.payload) !== 'executed') connection.answer(request, request.payload);
  });
  const session = openDirect(t, backend, { connections: 1 });
  await session.request(bytes('opens the connection'));
  const executed = failureOf(session.request(bytes('executed')));
  await backend.until(() => backend.requests.length === 2);
  backend.dropAll();
  t.is(text(await session.request(bytes('next'))), 'next');
  t.like(await executed, { code: 'FRAME_IO', attempts: 1 });
  t.deepEqual(
    backend.requests.map(({ payload }) => text(payload)),
    ['opens the connection', 'executed', 'next'],
  );
});

onPosix('a request is written to three closed connections at most', async (t) => {
  const { backend, pool } = await startPooled(t);
  const closing: LeasingPool = Object.create(pool, {
    acquire: {
      value: async () => {
        const accepted = backend.connections.length;
        const lease = await pool.acquire();
        await backend.until(() => backend.connections.length > accepted);
        backend.dropAll();
        return lease;
      },
    },
  });
  t.like(await failureOf(openPooled(t, closing).request(bytes('x'))), { code: 'FRAME_IO', attempts: 3 });
  t.deepEqual([backend.connections.length, backend.requests.length], [3, 0]);
});

testWhere(onLinux, LINUX)('a request given up behind a write that fails goes nowhere', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend, { connections: 1 });
  await session.request(bytes('opens the connection'));
  backend.dropAll();
  const controller = new AbortController();
  const givenUp = failureOf(session.request(bytes('given up'), { signal: controller.signal }));
  const other = session.request(bytes('other'));
  // Behind the write, before the event of its error.
  process.nextTick(() => controller.abort());
  t.is((await givenUp).code, 'ABORTED');
  t.is(text(await other), 'other');
  t.deepEqual(
    backend.requests.map(({ payload }) => text(payload)),
    ['opens the connection', 'other'],
  );
});

onPosix(
  'a request over a pool whose idle connection ends right before it is answered over another',
  async (t) => {
    const { backend, pool } = await startPooled(t);
    const lease = await pool.acquire();
    await backend.until(() => backend.connections.length === 1);
    const session = openPooled(t, pool);
    lease.release();
    const request = session.request(bytes('x'));
    backend.dropAll();
    t.is(text(await request), 'x');
    t.deepEqual(
      backend.connections.map(({ requests }) => requests.length),
      [0, 1],
    );
  },
);

onPosix('a write that fails in the middle misses its last request alone', async (t) => {
  const { pool } = await startPooled(t);
  const { socket } = await pool.acquire();
  const writer = new RequestWriter(socket, new RequestTable<PendingRequest<object>>(), () => t.fail());
  const unsent = new Fifo<PendingRequest<object>>();
  const requests = ['first', 'last'].map(
    (name) => new PendingRequest<object>(bytes(name), PROTOCOL, Infinity, () => {}),
  );
  for (const request of requests) unsent.push(request);
  t.true(writer.write(unsent));
  const missed = (code: string): boolean[] => {
    const error = Object.assign(new Error(code), { code, syscall: 'write' });
    return requests.map((request) => writer.hasMissed(request, error));
  };
  t.deepEqual(
    [missed('EPIPE'), missed('ECONNRESET')],
    [
      [false, true],
      [false, false],
    ],
  );
});
