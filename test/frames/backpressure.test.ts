import { bytesInUse } from '../helpers/heap.js';
import { once } from 'node:events';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { encoded } from './codec/kit.js';
import { echo, type OnRequest } from './frame-backend.js';
import { bytes, openDirect, startBackend, text } from './kit.js';

const MEBIBYTE = 1024 * 1024;

test.serial('requests wait in the session while the backend does not read, and none is lost', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 1_000 });
  await session.request(bytes('opens the connection'));
  const [connection] = backend.connections;
  connection!.socket.pause();
  const payload = Buffer.alloc(16 * 1024, 7);
  const before = process.memoryUsage().arrayBuffers;
  const requests = Array.from({ length: 1_000 }, () => session.request(payload));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  // One write of 64 KiB waits in the socket, not 16 MiB.
  t.true(process.memoryUsage().arrayBuffers - before < 2 * MEBIBYTE);
  connection!.socket.resume();
  const answers = await Promise.all(requests);
  t.true(answers.every((answer) => Buffer.compare(answer, payload) === 0));
});

test.serial('10 000 requests in flight cost their payloads and less than 1 KiB each', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 2, maxInFlight: 5_000, timeoutMs: Infinity });
  const payload = Buffer.alloc(64, 7);
  const before = bytesInUse();
  const requests = Array.from({ length: 10_000 }, () => session.request(payload));
  await backend.until(() => backend.requests.length === 10_000);
  // The backend of this test keeps them all, too.
  const each = (bytesInUse() - before) / requests.length;
  t.true(each < 1_024, `${each} bytes each`);
  const ended = Promise.allSettled(requests);
  await session.close({ timeoutMs: 0 });
  await ended;
});

test.serial('a small request passes large ones that wait', async (t) => {
  const order: string[] = [];
  const backend = await startBackend(t, (request, connection) => {
    order.push(request.payload.length > MEBIBYTE ? 'large' : 'small');
    connection.answer(request, bytes('done'));
  });
  const session = openDirect(t, backend);
  await session.request(bytes('opens a connection'));
  const large = Array.from({ length: 12 }, () => session.request(Buffer.alloc(15 * MEBIBYTE)));
  await new Promise(setImmediate);
  await session.request(bytes('small'));
  t.true(order.filter((kind) => kind === 'large').length <= 9, order.join());
  await Promise.all(large);
});

test.serial('large requests never take the last connection', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 2, maxInFlight: 1, timeoutMs: Infinity });
  const large = [1, 2, 3].map(() => failureOf(session.request(Buffer.alloc(MEBIBYTE))));
  await backend.until(() => backend.requests.length === 1);
  backend.onRequest = echo;
  t.is(text(await session.request(bytes('small'))), 'small');
  t.is(backend.requests.filter(({ payload }) => payload.length === MEBIBYTE).length, 1);
  await session.close({ timeoutMs: 0 });
  await Promise.all(large);
});

test.serial(
  'an answer that arrives slowly keeps no small request waiting where there is another connection',
  async (t) => {
    let release = (): void => {};
    let isHalfRead = false;
    const slow: OnRequest = (request, connection) => {
      if (text(request.payload) !== 'large answer') return echo(request, connection);
      // Half of a frame; the rest comes when the small request has been answered.
      const { requestId, payloadProtocol } = request;
      const { socket } = connection;
      const payload = Buffer.alloc(MEBIBYTE, 1);
      const whole = encoded({ envelopeVersion: 1, kind: 1, payloadProtocol, payload, requestId });
      // The kernel holds less than that: the session has read a part when all has left.
      socket.write(whole.subarray(0, MEBIBYTE / 2), () => {
        isHalfRead = true;
        socket.emit('read by the client');
      });
      release = () => void socket.write(whole.subarray(MEBIBYTE / 2));
    };
    const backend = await startBackend(t, slow);
    const session = openDirect(t, backend);
    const large = session.request(bytes('large answer'));
    await backend.until(() => backend.requests.length === 1);
    if (!isHalfRead) await once(backend.connections[0]!.socket, 'read by the client');
    for (let index = 0; index < 20; index++) t.is((await session.request(bytes('small'))).length, 5);
    release();
    t.is((await large).length, MEBIBYTE);
  },
);
