import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import { connectToBackend } from '../../src/client/connect.js';
import { loadHandlePassing } from '../../src/os/handle-passing.js';
import { loadNative } from '../../src/os/native.js';
import { encodeAddress } from '../../src/os/socket.js';
import {
  canHandOff,
  EmbeddedBackend,
  startTestSystem,
  type HandoffMode,
  type TestSystemOptions,
} from '../../src/testing/index.js';
import {
  decodeHandoffAck,
  encodeHandoffOffer,
  PayloadProtocol,
  type HandoffOffer,
} from '../../src/wire/messages.js';
import { framesIn, readBytes, readToEnd, request } from './raw-peer.js';

const withFfi = testWhere(canHandOff(), 'descriptors that can be passed', test.serial);

async function startSystem(t: ExecutionContext, handoff: HandoffMode, options: TestSystemOptions = {}) {
  const system = await startTestSystem({ backend: { handoff }, ...options });
  t.teardown(() => system.stop());
  return system;
}

withFfi(
  'a connection handed over is served by the backend, and no other is opened (H-03, H-23)',
  async (t) => {
    const { backend, broker, target } = await startSystem(t, 'accept');
    const { endpoint, route, socket } = await connectToBackend({ ...target, adoptHandedOffConnection: true });
    t.is(route, 'handle-passed');
    t.is(endpoint, backend.endpoint);
    socket.write('hello');
    t.is((await readBytes(socket, 5)).toString(), 'hello');
    await broker.until(() => broker.openConnections === 0);
    socket.end('bye');
    t.is((await readToEnd(socket)).toString(), 'bye');
    await backend.until(() => backend.connections === 0);
    t.deepEqual(
      [broker.handoffCount, backend.adoptedCount, backend.acceptedCount, broker.earlyHangUps],
      [1, 1, 0, 0],
    );
  },
);

withFfi('an adopted connection outlives the broker', async (t) => {
  const { broker, target } = await startSystem(t, 'accept');
  const { socket } = await connectToBackend({ ...target, adoptHandedOffConnection: true });
  await broker.stop();
  socket.end('still here');
  t.is((await readToEnd(socket)).toString(), 'still here');
});

withFfi(
  'a client that asks for a handoff without adopting is offered all the same, and the backend sees its connection end (C-03)',
  async (t) => {
    const { backend, target } = await startSystem(t, 'accept');
    const { route, socket } = await connectToBackend({ ...target, handoffToken: true });
    t.is(route, 'broker-negotiated');
    await backend.until(
      () => backend.adoptedCount === 1 && backend.acceptedCount === 1 && backend.connections === 1,
    );
    socket.destroy();
    await backend.until(() => backend.connections === 0);
  },
);

withFfi('a client that does not ask for a handoff is not offered (C-03)', async (t) => {
  const { backend, broker, target } = await startSystem(t, 'accept');
  const { route, socket } = await connectToBackend(target);
  t.is(route, 'broker-negotiated');
  await backend.until(() => backend.acceptedCount === 1);
  t.is(broker.handoffCount, 0);
  socket.destroy();
  await backend.until(() => backend.connections === 0);
});

withFfi(
  'a rejection closes the connection at once: the client reconnects without waiting (H-10, H-24, C-50)',
  async (t) => {
    const { backend, broker, target } = await startSystem(t, 'reject');
    // The limit is far off: only the end of the connection can bring the client on.
    const connection = await connectToBackend({
      ...target,
      adoptHandedOffConnection: true,
      handoffReadyTimeoutMs: 1_000_000,
    });
    t.is(connection.route, 'broker-negotiated');
    t.deepEqual([broker.handoffCount, backend.offerCount, backend.adoptedCount], [1, 1, 0]);
    connection.socket.destroy();
  },
);

for (const handoff of ['close', 'wrongToken'] as const) {
  withFfi(
    `${handoff}: the broker says "ready" without an ack, on a connection without a server (H-11, C-48)`,
    async (t) => {
      const { backend, target } = await startSystem(t, handoff);
      const { route, socket } = await connectToBackend({ ...target, adoptHandedOffConnection: true });
      t.is(route, 'handle-passed');
      t.is((await readToEnd(socket)).length, 0);
      t.is(backend.adoptedCount, 0);
    },
  );
}

withFfi(
  'silent: the broker says "ready" when the ack is overdue, and the connection stays open (H-11, C-51)',
  async (t) => {
    const { backend, broker, target } = await startSystem(t, 'silent', {
      backend: { handoff: 'silent' },
      broker: { handoffAckTimeoutMs: 30 },
    });
    const { route, socket } = await connectToBackend({ ...target, adoptHandedOffConnection: true });
    t.is(route, 'handle-passed');
    await broker.until(() => broker.openConnections === 0);
    t.is(backend.offerCount, 1);
    const ended = once(socket, 'end');
    socket.resume();
    backend.dropAll();
    await ended;
    socket.destroy();
  },
);

withFfi('without a handoff endpoint that answers, the broker closes the connection (H-02)', async (t) => {
  const { broker, target } = await startSystem(t, 'accept', {
    service: { handoffEndpoint: endpointIn('/nonexistent', 'handoff') },
  });
  const connection = await connectToBackend({
    ...target,
    adoptHandedOffConnection: true,
    handoffReadyTimeoutMs: 1_000_000,
  });
  t.is(connection.route, 'broker-negotiated');
  t.is(broker.handoffCount, 0);
  connection.socket.destroy();
});

/** Plays the broker at a handoff endpoint: sends a descriptor of a pair's one end, then the given bytes. */
function offerTo(endpoint: string, sideband: Uint8Array, passed: number): Socket {
  const passing = loadHandlePassing();
  const system = loadNative()?.system;
  if (passing === undefined || system === undefined) throw new Error('no FFI');
  const descriptor = system.openSocket();
  system.connect(descriptor, encodeAddress(endpoint));
  if (passing.sendHandle(descriptor, sideband, passed) !== sideband.length) throw new Error('not sent');
  return new Socket({ fd: descriptor });
}

function offerFrame(offer: Partial<HandoffOffer>, requestId = 5n): Uint8Array {
  return request(encodeHandoffOffer({ correlationId: 5n, serviceName: 'echo', ...offer }), {
    payloadProtocol: PayloadProtocol.HANDOFF,
    requestId,
  });
}

const TOKEN = randomBytes(16);

const invalidOffers: readonly (readonly [string, Uint8Array])[] = [
  ['another request id than the correlation id (H-20)', offerFrame({ token: TOKEN }, 6n)],
  ['another protocol (W-53)', request(encodeHandoffOffer({ token: TOKEN, correlationId: 7n }))],
  ['no valid frame', Buffer.from('nonsense')],
];

for (const [what, bytes] of invalidOffers) {
  withFfi(`an offer with ${what} is dropped with its descriptor, without an ack`, async (t) => {
    const { broker, backend } = await startSystem(t, 'accept');
    const handoffEndpoint = backend.handoffEndpoint ?? '';
    // What is passed is a connection to the broker: it ends when the last copy of the descriptor is closed.
    const system = loadNative()?.system;
    const passed = system?.openSocket() ?? -1;
    system?.connect(passed, encodeAddress(broker.endpoint));
    await broker.until(() => broker.openConnections === 1);
    const socket = offerTo(handoffEndpoint, TOKEN, passed);
    system?.close(passed);
    socket.write(bytes);
    t.is((await readToEnd(socket)).length, 0);
    await broker.until(() => broker.openConnections === 0);
    t.is(backend.offerCount, 0);
  });
}

const wrongTokens: readonly (readonly [string, Uint8Array, string])[] = [
  ['another token than came with the descriptor (H-22)', randomBytes(16), 'handoff token mismatch'],
  ['no token (H-21, H-31)', new Uint8Array(0), 'handoff token is missing'],
  ['a short token (H-21, H-31)', TOKEN.subarray(1), 'handoff token length was 15 bytes; expected 16'],
];

for (const [what, token, errorDetail] of wrongTokens) {
  withFfi(`an offer with ${what} is refused with the reason, and its descriptor closed`, async (t) => {
    const { broker, backend } = await startSystem(t, 'accept');
    const system = loadNative()?.system;
    const passed = system?.openSocket() ?? -1;
    system?.connect(passed, encodeAddress(broker.endpoint));
    await broker.until(() => broker.openConnections === 1);
    const socket = offerTo(backend.handoffEndpoint ?? '', TOKEN, passed);
    system?.close(passed);
    socket.write(offerFrame({ token }));
    const [ack] = framesIn(await readToEnd(socket));
    t.like(decodeHandoffAck(ack!.payload), { accepted: false, errorDetail, correlationId: 5n });
    await broker.until(() => broker.openConnections === 0);
    t.deepEqual([backend.offerCount, backend.adoptedCount], [0, 0]);
  });
}

withFfi(
  'an offer that comes in two parts is accepted; its ack repeats token and correlation id (H-23)',
  async (t) => {
    const { backend, broker } = await startSystem(t, 'accept');
    const system = loadNative()?.system;
    const passed = system?.openSocket() ?? -1;
    system?.connect(passed, encodeAddress(broker.endpoint));
    const socket = offerTo(backend.handoffEndpoint ?? '', TOKEN.subarray(0, 9), passed);
    system?.close(passed);
    const bytes = offerFrame({ token: TOKEN });
    socket.write(TOKEN.subarray(9));
    for (const byte of bytes) socket.write(Uint8Array.of(byte));
    const [ack] = framesIn(await readToEnd(socket));
    t.is(ack?.requestId, 5n);
    t.deepEqual(decodeHandoffAck(ack!.payload), {
      token: new Uint8Array(TOKEN),
      accepted: true,
      errorDetail: '',
      correlationId: 5n,
    });
    t.is(backend.adoptedCount, 1);
  },
);

withFfi('an offer that does not come in time is dropped (H-25)', async (t) => {
  const { backend } = await startSystem(t, 'accept', { backend: { handoff: 'accept', offerTimeoutMs: 20 } });
  const silent = offerTo(backend.handoffEndpoint ?? '', TOKEN, 0);
  t.is((await readToEnd(silent)).length, 0);
  t.is(backend.offerCount, 0);
});

// An open ring is a descriptor that closes in its own time, and the last test counts descriptors.
process.env['BROKER_POOL_IO_URING'] = '0';

const onLinux = testWhere(process.platform === 'linux', 'Linux, where descriptors are counted', withFfi);

onLinux('after a hundred handoffs of every kind no descriptor is left', async (t) => {
  const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
  const warmUp = await startSystem(t, 'accept');
  await warmUp.stop();
  const before = openDescriptors();
  const system = await startSystem(t, 'accept');
  const { backend, broker, target } = system;
  for (let round = 0; round < 100; round++) {
    backend.handoff = (['accept', 'reject', 'close', 'wrongToken'] as const)[round % 4] ?? 'accept';
    const { socket } = await connectToBackend({ ...target, adoptHandedOffConnection: true });
    socket.destroy();
  }
  await broker.until(() => broker.openConnections === 0);
  await backend.until(() => backend.connections === 0);
  t.is(backend.offerCount, 100);
  await system.stop();
  t.true(await until(() => openDescriptors() <= before), `${openDescriptors()} descriptors`);
});

const withoutFfi = testWhere(!canHandOff(), 'a process without the C library');

withoutFfi('where there is no FFI, a backend that shall take over connections says so', async (t) => {
  await t.throwsAsync(EmbeddedBackend.start({ handoff: 'accept' }), { message: /needs FFI/ });
});
