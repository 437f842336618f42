/**
 * A broker or backend process of the soak: `node peer.js '{"role":"broker",…}'`. Each line on its input is a
 * number, the share of requests that it answers with mischief from then on, or the word that makes a broker
 * fall silent. It ends with its input.
 */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { serveBackend, type BackendRequest } from '../../src/backend/index.js';
import type { BrokerBehaviour } from '../../src/testing/behaviour.js';
import { EmbeddedBackend } from '../../src/testing/embedded-backend.js';
import { EmbeddedBroker } from '../../src/testing/embedded-broker.js';
import { FRAME_PROTOCOL, READY_LINE, SILENT_LINE, type PeerTask } from './peer-task.js';
import { Random } from './random.js';

/** A broker that left single requests without an answer ends those connections after all. */
const SILENCE_MS = 250;

const task: PeerTask = JSON.parse(process.argv[2] ?? '');
const random = new Random(task.seed);
let mischief = 0;
let silent = false;

function brokerMischief(): BrokerBehaviour {
  return random.pick<() => BrokerBehaviour>([
    () => ({ kind: 'delay', wait: random.between(1, 80) }),
    () => ({ kind: 'silent' }),
    () => ({ kind: 'close' }),
    () => ({ kind: 'halfFrame', bytes: random.between(0, 60) }),
    () => ({ kind: 'garbage' }),
    () => ({ kind: 'wrongVersionByte' }),
    () => ({ kind: 'oversizedHeader' }),
    () => ({ kind: 'chunked' }),
    () => ({ kind: 'envelope', frame: { envelopeVersion: 2 } }),
    () => ({
      kind: 'refuse',
      code: random.pick([2, 3, 4, 5, 6, 7, 8, 9, 99]),
      retryAfterMs: random.between(0, 30),
    }),
    () => ({ kind: 'emptyPipe' }),
    () => ({ kind: 'noResult' }),
    () => ({ kind: 'negotiate', negotiated: { backendPipe: '/nowhere/at/all.sock' } }),
    () => ({ kind: 'wrongToken' }),
    () => ({ kind: 'rejectedAck' }),
    () => ({ kind: 'lateReady', wait: random.between(1, 300) }),
  ])();
}

/** The connection that one backend gets wrong. */
function backendMischief(socket: Socket): void {
  random.pick([
    () => socket.destroy(),
    () => socket.end(),
    () => setTimeout(() => socket.destroy(), random.between(1, 50)),
    () => {
      socket.pipe(socket);
      setTimeout(() => socket.end(), random.between(1, 200));
    },
    // Reads nothing and says nothing, for a while.
    () => setTimeout(() => socket.destroy(), random.between(50, 300)),
  ])();
}

/** The request that a backend gets wrong: it answers late, fails, or gives no answer at all. */
function requestMischief({ payload }: BackendRequest): Promise<Uint8Array> {
  return random.pick<() => Promise<Uint8Array>>([
    () => delay(random.between(1, 200), payload),
    () => Promise.reject(new Error('mischief')),
    () => new Promise(() => {}),
  ])();
}

async function serveFrames(endpoint: string, identityFile: string): Promise<() => Promise<void>> {
  const backend = await serveBackend({
    endpoint,
    identityFile,
    payloadProtocols: [FRAME_PROTOCOL],
    onRequest: (request) => (random.chance(mischief) ? requestMischief(request) : request.payload),
    onError: () => {},
  });
  return () => backend.close({ timeoutMs: 0 });
}

async function serve(): Promise<() => Promise<void>> {
  if (task.role === 'broker') {
    const { endpoint, services } = task;
    const decide = (): BrokerBehaviour | undefined => {
      if (silent) return { kind: 'silent' };
      return random.chance(mischief) ? brokerMischief() : undefined;
    };
    const broker = await EmbeddedBroker.start({ endpoint, services, decide });
    const timer = setInterval(() => silent || broker.releaseSilent(), SILENCE_MS);
    return async () => {
      clearInterval(timer);
      await broker.stop();
    };
  }
  if (task.role === 'frames') return await serveFrames(task.endpoint, task.identityFile);
  const { endpoint, handoffEndpoint } = task;
  const backend = await EmbeddedBackend.start({
    endpoint,
    ...(handoffEndpoint === undefined ? {} : { handoffEndpoint, handoff: 'accept' }),
    onConnection: (socket) => (random.chance(mischief) ? backendMischief(socket) : socket.pipe(socket)),
  });
  return () => backend.stop();
}

process.on('SIGINT', () => {});
const commands = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const stop = await serve();
process.stdout.write(`${READY_LINE}\n`);
for await (const line of commands) {
  silent = line === SILENT_LINE;
  mischief = silent ? 0 : Number(line);
}
await stop();
