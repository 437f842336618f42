import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { onWine, OWN_PIPE, testWhere } from '../helpers/test-where.js';
import { EmbeddedBackend, type EmbeddedBackendOptions } from '../../src/testing/index.js';
import { decodeDaemonProcess, FrameKind, PayloadProtocol } from '../../src/wire/messages.js';
import { dial, framesIn, readBytes, readToEnd, request } from './raw-peer.js';

async function startBackend(
  t: ExecutionContext,
  options: EmbeddedBackendOptions = {},
): Promise<EmbeddedBackend> {
  const backend = await EmbeddedBackend.start(options);
  t.teardown(() => backend.stop());
  return backend;
}

async function connected(t: ExecutionContext, backend: EmbeddedBackend): Promise<Socket> {
  const socket = await dial(backend.endpoint);
  t.teardown(() => socket.destroy());
  return socket;
}

function probe(nonce: Uint8Array): Uint8Array {
  return request(nonce, { payloadProtocol: PayloadProtocol.IDENTITY_PROBE });
}

async function readProbeReply(socket: Socket) {
  const header = await readBytes(socket, 5);
  const [frame] = framesIn(Buffer.concat([header, await readBytes(socket, header.readUInt32LE(1))]));
  if (frame === undefined) throw new Error('no frame');
  return {
    frame,
    nonce: frame.payload.subarray(0, 32),
    identity: decodeDaemonProcess(frame.payload.subarray(32)),
  };
}

test('a backend echoes until its client ends', async (t) => {
  const backend = await startBackend(t);
  const client = await connected(t, backend);
  client.end('hello');
  t.is((await readToEnd(client)).toString(), 'hello');
  await backend.until(() => backend.connections === 0);
  t.is(backend.acceptedCount, 1);
});

test('large echoes arrive whole', async (t) => {
  const client = await connected(t, await startBackend(t));
  const bytes = randomBytes(2_000_000);
  client.end(bytes);
  t.true((await readToEnd(client)).equals(bytes));
});

test('an identity probe is answered with the nonce and this process, then the echo goes on (P-02, L-18)', async (t) => {
  const backend = await startBackend(t, { identity: { exeHash: Buffer.alloc(32, 7) } });
  const client = await connected(t, backend);
  for (const [count, nonce] of [randomBytes(32), randomBytes(32)].entries()) {
    client.write(probe(nonce));
    const reply = await readProbeReply(client);
    t.like(reply.frame, {
      kind: FrameKind.RESPONSE,
      payloadProtocol: PayloadProtocol.IDENTITY_PROBE,
      requestId: 7n,
      traceparent: 'parent',
      tracestate: 'state',
    });
    t.deepEqual(Buffer.from(reply.nonce), nonce);
    t.like(reply.identity, {
      pid: process.pid,
      exeHashAlgorithm: 'blake3',
      ipcEndpoint: { namespaceId: 'shared', path: backend.endpoint },
    });
    t.deepEqual(Buffer.from(reply.identity.exeHash), Buffer.alloc(32, 7));
    t.is(backend.probeCount, count + 1);
  }
  client.end('hello');
  t.is((await readToEnd(client)).toString(), 'hello');
});

test('a backend answers a probe in pieces and one with data behind it', async (t) => {
  const backend = await startBackend(t);
  const client = await connected(t, backend);
  for (const byte of probe(randomBytes(32))) client.write(Uint8Array.of(byte));
  await readProbeReply(client);
  client.write(Buffer.concat([probe(randomBytes(32)), Buffer.from('data')]));
  await readProbeReply(client);
  t.is((await readBytes(client, 4)).toString(), 'data');
});

const streams: readonly (readonly [string, Uint8Array])[] = [
  ['a first byte like a frame', Buffer.from([1])],
  ['the beginning of a probe', probe(new Uint8Array(32)).subarray(0, 20)],
  ['a frame of the service itself', request(Buffer.from('x'), { payloadProtocol: 0x7c4c })],
  ['a probe with a short nonce', probe(new Uint8Array(31))],
  [
    'a compressed probe',
    request(new Uint8Array(32), { payloadProtocol: PayloadProtocol.IDENTITY_PROBE, payloadEncoding: 1 }),
  ],
  [
    'an answer to a probe',
    request(new Uint8Array(40), {
      payloadProtocol: PayloadProtocol.IDENTITY_PROBE,
      kind: FrameKind.RESPONSE,
    }),
  ],
  ['a probe behind other bytes', Buffer.concat([Buffer.from('a'), probe(new Uint8Array(32))])],
];

for (const [what, bytes] of streams) {
  test(`${what} is echoed, whether the client goes on or ends`, async (t) => {
    const backend = await startBackend(t);
    const open = await connected(t, backend);
    open.write(bytes);
    t.deepEqual(await readBytes(open, bytes.length), Buffer.from(bytes));
    open.write('more');
    t.is((await readBytes(open, 4)).toString(), 'more');
    const ended = await connected(t, backend);
    ended.end(bytes);
    t.deepEqual(await readToEnd(ended), Buffer.from(bytes));
    t.is(backend.probeCount, 0);
  });
}

test('a connection handler gets the connection before its first byte', async (t) => {
  const backend = await startBackend(t, {
    onConnection(socket, { adopted }) {
      socket.end(`adopted: ${adopted}`);
    },
  });
  t.is((await readToEnd(await connected(t, backend))).toString(), 'adopted: false');
});

test('a backend with payloadProtocols answers framed requests and probes', async (t) => {
  const backend = await startBackend(t, { payloadProtocols: [0xf001] });
  const client = await connected(t, backend);
  client.end(Buffer.concat([probe(randomBytes(32)), request(Buffer.from('x'), { payloadProtocol: 0xf001 })]));
  const frames = framesIn(await readToEnd(client));
  t.deepEqual(
    frames.map(({ payloadProtocol }) => payloadProtocol),
    [PayloadProtocol.IDENTITY_PROBE, 0xf001],
  );
  t.is(String(Buffer.from(frames[1]!.payload)), 'x');
  t.deepEqual([backend.requestCount, backend.probeCount], [1, 1]);
});

test('until hears of each framed request, also where no answer comes', async (t) => {
  const backend = await startBackend(t, {
    payloadProtocols: [0xf001],
    onRequest: () => new Promise(() => {}),
  });
  const client = await connected(t, backend);
  client.write(request(Buffer.from('x'), { payloadProtocol: 0xf001 }));
  await backend.until(() => backend.requestCount === 1);
  client.write(request(Buffer.from('y'), { payloadProtocol: 0xf001 }));
  await backend.until(() => backend.requestCount === 2);
  t.is(backend.connections, 1);
});

test('a backend with onRequest answers as that says', async (t) => {
  const backend = await startBackend(t, {
    payloadProtocols: [0xf001],
    onRequest: async ({ requestId }) => Buffer.from(`answer to ${requestId}`),
  });
  const client = await connected(t, backend);
  client.end(request(Buffer.from('x'), { payloadProtocol: 0xf001 }));
  const [frame] = framesIn(await readToEnd(client));
  t.is(String(Buffer.from(frame!.payload)), 'answer to 7');
});

test('a backend with onHttp answers HTTP, also behind a probe', async (t) => {
  const backend = await startBackend(t, { onHttp: ({ url }, response) => response.end(url) });
  const client = await connected(t, backend);
  client.write(probe(randomBytes(32)));
  await readProbeReply(client);
  client.write('GET /path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.regex(String(await readToEnd(client)), /\/path$/);
  t.is(backend.probeCount, 1);
});

test('dropAll closes open connections and accepts new ones', async (t) => {
  const backend = await startBackend(t);
  const client = await connected(t, backend);
  await backend.until(() => backend.connections === 1);
  const closed = once(client, 'end');
  backend.dropAll();
  await closed;
  await backend.until(() => backend.connections === 0);
  const next = await connected(t, backend);
  next.end('again');
  t.is((await readToEnd(next)).toString(), 'again');
});

test('stop closes connections, ends waits and leaves no file in a given directory', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'broker-pool-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const backend = await startBackend(t, { directory });
  const client = await connected(t, backend);
  await backend.until(() => backend.connections === 1);
  const waiting = backend.until(() => false);
  const stopped = Promise.all([backend.stop(), backend.stop()]);
  await t.throwsAsync(waiting, { message: 'the embedded backend was stopped' });
  await stopped;
  t.is((await readToEnd(client)).length, 0);
  t.deepEqual(readdirSync(directory), []);
});

testWhere(!onWine, OWN_PIPE)('a backend can come back at the same endpoint', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'broker-pool-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const endpoint = endpointIn(join(directory, 'deep'), 'backend');
  const first = await startBackend(t, { endpoint });
  await t.throwsAsync(EmbeddedBackend.start({ endpoint }), { code: 'EADDRINUSE' });
  await first.stop();
  const second = await startBackend(t, { endpoint });
  t.is(second.endpoint, endpoint);
});
