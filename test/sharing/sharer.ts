/** A thread that shares a pool and does what a test tells it to, see `startSharer` in the kit. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { BrokerPoolError } from '../../src/errors.js';
import type { AcquireOptions, Lease } from '../../src/index.js';
// Not by the index: each test starts threads, and half of a start is modules that no thread of a guest needs.
import { connectSharedPool } from '../../src/sharing/client/connect-shared-pool.js';
import { errorToData } from '../../src/error-data.js';
import { loadedNative } from '../../src/os/native.js';
import { echo, read } from '../helpers/talk.js';

const { port, counter }: { readonly port: MessagePort; readonly counter: SharedArrayBuffer } = workerData;
const shared = await connectSharedPool(port);
const words = new Int32Array(counter);
const leases = new Map<string, Lease>();
const detached = new Map<string, Socket>();
const aborters = new Map<string, AbortController>();
/** The state in shared memory while the thread is blocked. */
export const BLOCKED = 1;
/** The state in shared memory when a request has ended. */
const ENDED = 2;

/** Bytes that reached listeners which were left on sockets. */
let overheard = '';

function leaseOf(name: string): Lease {
  const lease = leases.get(name);
  if (lease === undefined) throw new Error(`no lease ${name}`);
  return lease;
}

function detachedSocket(name: string): Socket {
  const socket = detached.get(name);
  if (socket === undefined) throw new Error(`no detached socket ${name}`);
  return socket;
}

function describe(lease: Lease) {
  const { connectionId, endpoint, route, negotiated, handoffToken } = lease;
  return {
    connectionId,
    endpoint,
    route,
    daemonVersion: negotiated?.daemonVersion,
    token: handoffToken?.length,
  };
}

/** Requests of a test. */
export const commands = {
  async acquire(name: string, options: AcquireOptions = {}) {
    const aborter = new AbortController();
    aborters.set(name, aborter);
    const lease = await shared.acquire({ ...options, signal: aborter.signal });
    leases.set(name, lease);
    return describe(lease);
  },
  abort: (name: string) => aborters.get(name)?.abort(new Error(`${name} is not wanted`)),
  release: (name: string) => leaseOf(name).release(),
  destroy: (name: string, reason?: 'destroyed' | 'error' | 'invalid') => leaseOf(name).destroy(reason),
  detach: (name: string) => void detached.set(name, leaseOf(name).detach()),
  connect: async (name: string) => void detached.set(name, await shared.connect()),
  resolve: async () => (await shared.resolve()).endpoint,
  echoDetached: async (name: string, word: string) => await echo(detachedSocket(name), word),
  restDetached: (name: string) => void detachedSocket(name).unref(),
  closeDetached: (name: string) => void detachedSocket(name).destroy(),
  async detachedEnded(name: string) {
    const socket = detachedSocket(name).resume();
    if (!socket.closed) await once(socket, 'close');
  },
  echo: async (name: string, word: string) => await echo(leaseOf(name).socket, word),
  write: (name: string, text: string) => void leaseOf(name).socket.write(text),
  read: async (name: string, length: number) => await read(leaseOf(name).socket, length),
  async ended(name: string) {
    const { socket } = leaseOf(name);
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  },
  /** Leaves everything on the socket that could make it read after its release. */
  leaveListeners(name: string) {
    const { socket } = leaseOf(name);
    leaseOf(name).release();
    socket.on('data', (chunk: Buffer) => (overheard += chunk.toString('latin1')));
    socket.on('readable', () => (overheard += String(socket.read() ?? '')));
    socket.resume();
    socket.read();
  },
  overheard: () => overheard,
  destroyAfterRelease(name: string) {
    const { socket } = leaseOf(name);
    leaseOf(name).release();
    socket.destroy();
  },
  /**
   * Blocks the thread until it is woken through shared memory; says there that it does, and that it no longer
   * does.
   */
  block(limitMs: number) {
    Atomics.store(words, 0, BLOCKED);
    Atomics.wait(words, 1, 0, limitMs);
    Atomics.store(words, 0, 0);
  },
  /** Has the backend answer, and gives the connection back before this thread's loop has seen any of it. */
  releaseUnseen(name: string, waitMs: number) {
    leaseOf(name).socket.write('unseen');
    Atomics.wait(words, 1, 0, waitMs);
    leaseOf(name).release();
  },
  /** As `releaseUnseen`, and acquires in the next turn of this thread's loop. */
  async acquireAfterUnseen(name: string, next: string, waitMs: number) {
    commands.releaseUnseen(name, waitMs);
    await new Promise(setImmediate);
    return await commands.acquire(next);
  },
  /** A request of a session over the shared pool; says in shared memory that it has ended. */
  async request(payloadProtocol: number) {
    const { openSession } = await import('../../src/frames/open-session.js');
    try {
      await openSession(shared, { payloadProtocol }).request(new Uint8Array(1));
    } finally {
      Atomics.store(words, 0, ENDED);
      Atomics.notify(words, 0);
    }
  },
  hasLoadedKoffi: () => loadedNative() !== undefined,
  /** Gives a connection back, leases it again, and ends the thread before its loop turns. */
  async claimAndExit(name: string) {
    leaseOf(name).release();
    await shared.acquire();
    process.exit(0);
  },
  /** Gives a connection back and ends the thread at once. */
  releaseAndExit(name: string) {
    leaseOf(name).release();
    process.exit(0);
  },
  close: async (options?: { timeoutMs: number }) => await shared.close(options),
  exit: (code: number) => process.exit(code),
  fail: () =>
    void setImmediate(() => {
      throw new Error('as a thread may fail');
    }),
  /** Sends anything to the pool's thread. */
  post: (message: unknown) => port.postMessage(message),
  /** Nothing but the shared pool keeps the thread alive from now on. */
  leave: () => parentPort?.unref(),
};

export type Commands = typeof commands;

async function obey(command: keyof Commands, values: readonly unknown[]): Promise<unknown> {
  const method: (...parameters: never[]) => unknown = commands[command];
  return await Reflect.apply(method, undefined, values);
}

parentPort?.on(
  'message',
  ({ call, command, values }: { call: number; command: keyof Commands; values: readonly unknown[] }) => {
    obey(command, values).then(
      (value) => parentPort?.postMessage({ call, value }),
      (error: unknown) => {
        const data = error instanceof BrokerPoolError ? errorToData(error) : undefined;
        parentPort?.postMessage({ call, error: data, text: String(error) });
      },
    );
  },
);
parentPort?.postMessage('ready');
