import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { endpointIn } from '../helpers/endpoints.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { FFI, testWhere } from '../helpers/test-where.js';
import { framesIn, readBytes, readToEnd } from '../testing/raw-peer.js';
import { loadHandlePassing } from '../../src/os/handle-passing.js';
import { loadNative } from '../../src/os/native.js';
import { encodeAddress } from '../../src/os/socket.js';
import { descriptorOf } from '../../src/os/socket-handle.js';
import { serveBackend, type Backend, type BackendOptions } from '../../src/backend/index.js';
import { offerFrame } from '../../src/wire/handoff-frames.js';
import { decodeHandoffAck, FrameKind, type HandoffAck } from '../../src/wire/messages.js';
import { dial, directory, echoing, probe, request, start } from './kit.js';

const passing = loadHandlePassing();
const system = loadNative()?.system;
const withFfi = testWhere(passing !== undefined, FFI, test.serial);
const onLinux = testWhere(process.platform === 'linux', 'Linux', withFfi);
// An open ring is a descriptor that closes in its own time.
process.env['BROKER_POOL_IO_URING'] = '0';

const TOKEN = randomBytes(16);
const OFFER = offerFrame({ token: TOKEN, serviceName: 'echo', correlationId: 5n });

/** A backend with a handoff endpoint. */
async function startAdopting(t: ExecutionContext, options: BackendOptions = {}) {
  const folder = directory(t);
  const handoffEndpoint = join(folder, 'h.sock');
  const backend = await start(t, {
    ...echoing,
    endpoint: join(folder, 'b.sock'),
    handoffEndpoint,
    ...options,
  });
  return { backend, handoffEndpoint };
}

/** A client and the broker's side of its connection, which no event loop reads. */
async function clientOfBroker(t: ExecutionContext): Promise<{ client: Socket; passed: Socket }> {
  const path = join(directory(t), 'broker.sock');
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const client = connect({ path, allowHalfOpen: true });
  client.on('error', () => {});
  const [passed]: Socket[] = await once(server, 'connection');
  t.teardown(() => {
    client.destroy();
    passed?.destroy();
    server.close();
  });
  return { client, passed: passed! };
}

/** A broker's connection to a handoff endpoint; sends with plain system calls. */
class Offering {
  readonly descriptor: number;
  #socket: Socket | undefined;

  constructor(endpoint: string) {
    this.descriptor = system!.openSocket();
    system!.connect(this.descriptor, encodeAddress(endpoint));
  }

  /** Sends bytes, with a descriptor if given. */
  send(bytes: Uint8Array, passed?: number): void {
    if (passed === undefined) system!.send(this.descriptor, bytes);
    else passing!.sendHandle(this.descriptor, bytes, passed);
  }

  /** The bytes that the backend sends until it closes. */
  answer(): Promise<Buffer> {
    this.#socket = new Socket({ fd: this.descriptor, allowHalfOpen: true });
    return readToEnd(this.#socket);
  }

  close(): void {
    if (this.#socket === undefined) system!.close(this.descriptor);
    else this.#socket.destroy();
  }
}

function ackIn(bytes: Uint8Array): HandoffAck {
  const [frame] = framesIn(bytes);
  return decodeHandoffAck(frame!.payload);
}

withFfi(
  'an offer is answered, both sides close, and the connection is served, probes included (H-23, H-30, H-34)',
  async (t) => {
    const { backend, handoffEndpoint } = await startAdopting(t);
    const { client, passed } = await clientOfBroker(t);
    const offering = new Offering(handoffEndpoint);
    offering.send(TOKEN, descriptorOf(passed));
    offering.send(OFFER);
    const answer = await offering.answer();
    passed.destroy();
    t.like(framesIn(answer)[0], { kind: FrameKind.RESPONSE, payloadProtocol: 0xd0ff, requestId: 5n });
    t.like(ackIn(answer), { accepted: true, errorDetail: '', correlationId: 5n });
    t.deepEqual(Buffer.from(ackIn(answer).token), TOKEN);
    client.write(probe(randomBytes(32)));
    const header = await readBytes(client, 5);
    await readBytes(client, header.readUInt32LE(1));
    client.end(request('adopted'));
    t.is(String(Buffer.from(framesIn(await readToEnd(client))[0]!.payload)), 'adopted');
    t.like(backend.stats(), { adopted: 1, accepted: 0, offers: 1, probes: 1, requests: 1 });
  },
);

withFfi('onConnection learns that a connection was handed over', async (t) => {
  const { handoffEndpoint } = await startAdopting(t, {
    onConnection: (socket, { adopted }) => void socket.end(`adopted: ${adopted}`),
  });
  const { client, passed } = await clientOfBroker(t);
  const offering = new Offering(handoffEndpoint);
  offering.send(TOKEN, descriptorOf(passed));
  offering.send(OFFER);
  t.true(ackIn(await offering.answer()).accepted);
  passed.destroy();
  client.write('legacy');
  t.is(String(await readToEnd(client)), 'adopted: true');
});

withFfi('an offer in pieces of one byte is read without waiting for time to pass (H-05, H-20)', async (t) => {
  const { handoffEndpoint } = await startAdopting(t);
  const { passed } = await clientOfBroker(t);
  const offering = new Offering(handoffEndpoint);
  offering.send(TOKEN.subarray(0, 1), descriptorOf(passed));
  for (const byte of [...TOKEN.subarray(1), ...OFFER]) {
    await new Promise(setImmediate);
    offering.send(Uint8Array.of(byte));
  }
  t.true(ackIn(await offering.answer()).accepted);
});

/** Offers that get no answer: their connection ends. */
const silent: readonly (readonly [string, (offering: Offering, passed: number) => void])[] = [
  ['without a descriptor', (offering) => (offering.send(TOKEN), offering.send(OFFER))],
  [
    'whose descriptor comes with the frame',
    (offering, passed) => (offering.send(TOKEN), offering.send(OFFER, passed)),
  ],
  [
    'with a second descriptor beside the frame',
    (offering, passed) => (offering.send(TOKEN, passed), offering.send(OFFER, passed)),
  ],
  [
    'with a second descriptor beside the rest of the token',
    (offering, passed) => {
      offering.send(TOKEN.subarray(0, 8), passed);
      offering.send(TOKEN.subarray(8), passed);
      offering.send(OFFER);
    },
  ],
  [
    'that ends before its frame',
    (offering, passed) => {
      offering.send(TOKEN, passed);
      new Socket({ fd: offering.descriptor }).end();
    },
  ],
  [
    'with bytes that are no frame (H-32)',
    (offering, passed) => (offering.send(TOKEN, passed), offering.send(Buffer.from('nonsense'))),
  ],
  [
    'of more than 64 KiB (H-32)',
    (offering, passed) => (offering.send(TOKEN, passed), offering.send(Uint8Array.of(1, 1, 0, 1, 0))),
  ],
  [
    'of another protocol (H-32)',
    (offering, passed) => (offering.send(TOKEN, passed), offering.send(request('x'))),
  ],
  [
    'under another request id (H-20)',
    (offering, passed) => {
      offering.send(TOKEN, passed);
      const other = Buffer.from(OFFER);
      other[other.length - 1] = 6;
      offering.send(other);
    },
  ],
];

const descriptors = (): number => readdirSync('/proc/self/fd').length;

for (const [what, play] of silent) {
  onLinux(`an offer ${what} gets no answer, and no descriptor stays open (H-25)`, async (t) => {
    const { backend, handoffEndpoint } = await startAdopting(t);
    const { client, passed } = await clientOfBroker(t);
    const before = descriptors();
    const offering = new Offering(handoffEndpoint);
    play(offering, descriptorOf(passed));
    if (!what.includes('ends before')) t.is((await offering.answer()).length, 0);
    t.true(await until(() => descriptors() === before), `${descriptors()} descriptors, not ${before}`);
    t.like(backend.stats(), { adopted: 0, offers: 0 });
    client.destroy();
  });
}

for (const [what, open] of [
  ['a file', () => openSync(process.execPath, 'r')],
  ['a socket without a peer', () => system!.openSocket()],
] as const) {
  withFfi(`an offer of ${what} is refused with the reason`, async (t) => {
    const { handoffEndpoint } = await startAdopting(t);
    const passed = open();
    const offering = new Offering(handoffEndpoint);
    offering.send(TOKEN, passed);
    offering.send(OFFER);
    const { accepted, errorDetail } = ackIn(await offering.answer());
    t.false(accepted);
    t.regex(errorDetail, /^the (descriptor|client) is n/);
    closeSync(passed);
  });
}

onLinux('offers beyond maxOffers are closed unread, and the others go on', async (t) => {
  const { backend, handoffEndpoint } = await startAdopting(t, { maxOffers: 2 });
  const { passed } = await clientOfBroker(t);
  const first = new Offering(handoffEndpoint);
  const second = new Offering(handoffEndpoint);
  first.send(TOKEN, descriptorOf(passed));
  second.send(TOKEN, descriptorOf(passed));
  const third = new Offering(handoffEndpoint);
  third.send(TOKEN, descriptorOf(passed));
  t.is((await third.answer()).length, 0);
  first.send(OFFER);
  second.close();
  t.true(ackIn(await first.answer()).accepted);
  const fourth = new Offering(handoffEndpoint);
  fourth.send(TOKEN, descriptorOf(passed));
  fourth.send(OFFER);
  t.true(ackIn(await fourth.answer()).accepted);
  t.is(backend.stats().offers, 2);
});

onLinux(
  'an offer that trickles in ends at the absolute limit, with its descriptor (H-25, H-33)',
  async (t) => {
    const { handoffEndpoint } = await startAdopting(t, { offerTimeoutMs: 100 });
    const { passed } = await clientOfBroker(t);
    const before = descriptors();
    const offering = new Offering(handoffEndpoint);
    offering.send(TOKEN, descriptorOf(passed));
    const trickle = setInterval(() => offering.send(OFFER.subarray(0, 1)), 10);
    t.is((await offering.answer()).length, 0);
    clearInterval(trickle);
    t.true(await until(() => descriptors() === before));
  },
);

onLinux('close ends offers that are being read, with their descriptors', async (t) => {
  const { backend, handoffEndpoint } = await startAdopting(t);
  const { passed } = await clientOfBroker(t);
  const offering = new Offering(handoffEndpoint);
  offering.send(TOKEN, descriptorOf(passed));
  const before = descriptors();
  while (descriptors() < before + 2) await new Promise(setImmediate);
  await backend.close();
  t.is((await offering.answer()).length, 0);
});

onLinux('random bytes at the handoff endpoint leave no descriptor open', async (t) => {
  const { backend, handoffEndpoint } = await startAdopting(t);
  const before = descriptors();
  const { client: owner, passed } = await clientOfBroker(t);
  const piece = fc.record({
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constant(TOKEN), fc.constant(OFFER)),
    withDescriptor: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
      const offering = new Offering(handoffEndpoint);
      for (const { bytes, withDescriptor } of pieces)
        offering.send(bytes, withDescriptor ? descriptorOf(passed) : undefined);
      await new Promise(setImmediate);
      offering.close();
    }),
    { numRuns: 200 },
  );
  // Some random offers are good ones.
  owner.destroy();
  passed.destroy();
  // One more: the listener to which the owner has connected.
  t.true(await until(() => descriptors() === before + 1), `${descriptors()} descriptors, not ${before + 1}`);
  const client = await dial(t, backend.endpoint);
  client.end(request('still serving'));
  t.is(framesIn(await readToEnd(client)).length, 1);
});

const withoutFfi = testWhere(passing === undefined, 'a process without the C library');

withoutFfi('a handoff endpoint without the C library is an error that names it', async (t) => {
  const folder = directory(t);
  const options = { ...echoing, endpoint: endpointIn(folder, 'b'), handoffEndpoint: endpointIn(folder, 'h') };
  const error = await t.throwsAsync<Error>(async (): Promise<Backend> => await serveBackend(options), {
    code: 'BACKEND_START',
  });
  t.regex(error?.message ?? '', /koffi/);
});
