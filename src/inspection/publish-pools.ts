import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { outOfContext } from '../async-context.js';
import { monotonicNowMs, startedAtUnixMs, systemClock } from '../clock.js';
import { parseEndpoint } from '../endpoint.js';
import { BrokerPoolError, invalidArgument, textOf } from '../errors.js';
import { ExitHook } from '../exit-hook.js';
import { derived, readOptions, type OptionsOf } from '../option-table.js';
import { checkPeer, ownTrust } from '../os/endpoint-trust.js';
import { descriptorOf } from '../os/socket-handle.js';
import type { BrokerPool } from '../broker-pool.js';
import { checkAbsolutePath, described } from '../validation.js';
import {
  directoryProblem,
  inspectionDirectory,
  makeDirectory,
  removeLeftSockets,
  socketName,
  socketsIn,
} from './place.js';
import { formatSnapshot } from './snapshot.js';

/** A reader takes milliseconds. */
const READ_LIMIT_MS = 5_000;
const MOST_READERS = 8;

const publishOptions = {
  /**
   * Absolute path of the directory of the socket; made with mode 0700 where it is missing, and refused where other
   * users may enter it. `broker-pool top` looks in the default one.
   * @default `$XDG_RUNTIME_DIR/broker-pool`, else `broker-pool-<user id>` among the temporary files
   */
  directory: derived((name, value) => checkAbsolutePath(name, value), inspectionDirectory),
};

/** Options of {@link publishPools}. */
export interface PublishOptions extends OptionsOf<typeof publishOptions> {}

/** Pools that `broker-pool top` can show. */
export interface PublishedPools extends AsyncDisposable {
  /** The socket. */
  readonly endpoint: string;
  /** Removes the socket. Idempotent. Called when the last of the pools has closed. */
  close(): Promise<void>;
}

/** Sockets that a process which ends must remove. */
const published = new ExitHook<string>((path) => rmSync(path, { force: true }));

/**
 * Publishes the counts of a pool, or of several, for `broker-pool top`: on a socket that only this user can reach, and
 * that sends `stats()` to each reader and takes nothing. A pool that is not read costs nothing. The socket does not
 * keep the process alive, and is removed with it, or when the last of the pools has closed. Not for Windows.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option; `PUBLISH_FAILED` where it cannot listen, and on
 * Windows
 */
export async function publishPools(
  pool: BrokerPool | readonly BrokerPool[],
  options: PublishOptions = {},
): Promise<PublishedPools> {
  const { directory } = readOptions(publishOptions, options);
  const pools = checkPools(pool);
  if (process.platform === 'win32')
    throw new BrokerPoolError('PUBLISH_FAILED', 'pools are not published on Windows');
  const endpoint = await prepare(directory);
  // The server runs in no caller's context: readers come at any time.
  const readers = new Set<Socket>();
  const server = outOfContext(() => createServer((socket) => serve(socket, pools, readers)));
  server.maxConnections = MOST_READERS;
  await listen(server, endpoint);
  published.add(endpoint);
  const close = async (): Promise<void> => {
    published.delete(endpoint);
    for (const reader of readers) reader.destroy();
    // Node removes the socket file with the server.
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  closeWith(pools, () => void close());
  // The pools may have closed while the server began to listen.
  if (pools.every((one) => one.closed)) await close();
  return { endpoint, close, [Symbol.asyncDispose]: close };
}

function checkPools(pool: BrokerPool | readonly BrokerPool[]): readonly BrokerPool[] {
  const values: readonly unknown[] = Array.isArray(pool) ? pool : [pool];
  if (values.length === 0) throw invalidArgument('pool', 'must be at least one BrokerPool');
  return [...new Set(values.map((value) => checkPool(value)))];
}

function checkPool(value: unknown): BrokerPool {
  if (!isPool(value)) throw invalidArgument('pool', `must be a BrokerPool, got ${described(value)}`);
  if (value.closed) throw invalidArgument('pool', 'must be open, and is closed');
  return value;
}

/** Recognises a pool by its members: a program may have two copies of this package. */
function isPool(value: unknown): value is BrokerPool {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'stats') === 'function';
}

/** Makes the directory, and removes the sockets of ended processes from it. Returns the path to listen at. */
async function prepare(directory: string): Promise<string> {
  const endpoint = join(
    directory,
    socketName(process.pid, () => systemClock.random()),
  );
  const parsed = parseEndpoint(endpoint);
  if ('problem' in parsed) throw invalidArgument('directory', `is too long: ${endpoint} ${parsed.problem}`);
  let problem: string | undefined;
  try {
    makeDirectory(directory);
    problem = directoryProblem(directory);
    if (problem === undefined) await removeLeftSockets(socketsIn(directory));
  } catch (cause) {
    const reason = textOf(cause);
    throw publishError(endpoint, `${reason}. Give a directory that this user can write to.`, cause);
  }
  if (problem !== undefined) throw publishError(endpoint, `its directory ${problem}`);
  return endpoint;
}

function listen(server: Server, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(publishError(endpoint, cause.message, cause));
    server.once('error', fail);
    server.listen({ path: endpoint }, () => {
      server.off('error', fail);
      // A reader that could not be accepted tries again.
      server.on('error', () => {});
      resolve();
    });
    server.unref();
  });
}

function serve(socket: Socket, pools: readonly BrokerPool[], readers: Set<Socket>): void {
  socket.unref();
  readers.add(socket);
  const limit = systemClock.deadline(READ_LIMIT_MS, () => socket.destroy());
  socket
    .on('error', () => {})
    .on('close', () => {
      limit.cancel();
      readers.delete(socket);
    });
  // The mode of the directory has stopped other users already.
  if (checkPeer(descriptorOf(socket), ownTrust()) !== undefined) return void socket.destroy();
  // Readers have nothing to say.
  socket.on('data', () => socket.destroy());
  socket.end(
    formatSnapshot({
      pid: process.pid,
      threadId,
      program: process.argv[1] ?? process.title,
      startedAtUnixMs,
      atMs: monotonicNowMs(),
      pools: pools.map((pool) => pool.stats()).filter(({ state }) => state !== 'closed'),
    }),
  );
}

function closeWith(pools: readonly BrokerPool[], close: () => void): void {
  let open = pools.length;
  for (const pool of pools)
    pool.once('closed', () => {
      open -= 1;
      if (open === 0) close();
    });
}

function publishError(endpoint: string, problem: string, cause?: unknown): BrokerPoolError {
  return new BrokerPoolError('PUBLISH_FAILED', `pools cannot be published at ${endpoint}: ${problem}`, {
    endpoint,
    cause,
  });
}
