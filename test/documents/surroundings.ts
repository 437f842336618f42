/**
 * What the programs in the documents find when they run: a shared broker of the user with the services that
 * they name, and the values that a fragment uses and does not make.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { BrokerPool, sharedBrokerEndpoint, type Lease } from 'broker-pool';
import { openSession, type Session } from 'broker-pool/frames';
import { EmbeddedBroker, startTestSystem, type TestSystem } from 'broker-pool/testing';

declare global {
  /** A pool of a backend that echoes bytes, answers frames of 0xF001 and 0x7A63 with their payload, and HTTP with `hello`. */
  var pool: BrokerPool;
  /** The broker and backend of `pool`. */
  var system: TestSystem;
  /** A session over `pool`. */
  var session: Session;
  /** A signal that does not abort. */
  var signal: AbortSignal;
  /** A request in the protocol of the caller, an echo. */
  var message: Buffer;
  /** Sends `message` and reads the reply. */
  var ask: (socket: Socket) => Promise<Buffer>;
  /** Uses a lease as `ask` does. */
  var work: (lease: Lease) => Promise<Buffer>;
}

/** Services of the documents, with the versions that they want. */
const SERVICES = { zccache: '1.11.20', 'my-service': '1.2.3' };

/** Starts the surroundings in the directory that `XDG_RUNTIME_DIR` names. Their sockets end with the process. */
export async function surround(): Promise<void> {
  const http = createServer((_request, response) => response.end('hello'));
  const system = await startTestSystem({
    backend: {
      payloadProtocols: [0xf001, 0x7a63],
      onConnection(socket) {
        socket.once('readable', () => {
          const bytes: Buffer | null = socket.read();
          if (bytes !== null) socket.unshift(bytes);
          if (/^[A-Z]+ \//.test(String(bytes))) http.emit('connection', socket);
          else socket.pipe(socket);
        });
      },
    },
  });
  const brokerEndpoint = sharedBrokerEndpoint();
  mkdirSync(join(brokerEndpoint, '..'), { recursive: true, mode: 0o700 });
  await EmbeddedBroker.start({
    endpoint: brokerEndpoint,
    services: Object.fromEntries(
      Object.entries(SERVICES).map(([name, version]) => [
        name,
        { endpoint: system.backend.endpoint, version },
      ]),
    ),
  });
  // Programs keep their endpoint files there.
  for (const name of Object.keys(SERVICES))
    mkdirSync(join(brokerEndpoint, '../../..', name), { recursive: true, mode: 0o700 });
  const pool = new BrokerPool(system.target);
  const message = Buffer.from('hello');
  const ask = async (socket: Socket): Promise<Buffer> => {
    socket.write(message);
    const [reply]: Buffer[] = await once(socket, 'data');
    return reply ?? message;
  };
  Object.assign(globalThis, {
    system,
    pool,
    session: openSession(pool, { payloadProtocol: 0xf001 }),
    signal: new AbortController().signal,
    message,
    ask,
    work: ({ socket }: Lease) => ask(socket),
  });
}
