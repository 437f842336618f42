import type { Socket } from 'node:net';
import { BrokerPool, connectToBackend } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { FrameKind, PROTOCOL_VERSION } from '../../src/wire/envelope.js';
import type { Role } from '../harness/result.js';
import { afterPromises } from '../../src/clock.js';
import { FrameWriter, type OutgoingFrame } from '../../src/frames/codec/frame-writer.js';
import { openSession } from '../../src/frames/index.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import type { ServiceReady } from '../programs/service.js';
import type { BenchSessionOptions } from './frame-clients.js';
import { bodyFor, requestHttpLike } from './http-like.js';
import { bareConnect, naiveNegotiate } from './naive-client.js';
import { createPeer, PEER_NAMES, type PeerName } from './pools.js';

/** One way to get a request answered: where its connection comes from, and what becomes of it. */
export interface Requester {
  readonly name: string;
  readonly role: Role;
  readonly request: (path: string) => Promise<void>;
  close(): Promise<void>;
}

export const OURS = 'BrokerPool';
export const SESSION = 'session.request';
/** A Node service has one thread: further connections only make for more writes. */
export const SESSION_OF_ONE = 'session.request, 1 connection';
/** The floor of pools: no check, no deadline, no limit but the number of sockets. */
export const BARE_POOL = 'an array of sockets and a queue';
/** The floor of sessions. */
const BARE_FRAMES = 'ready-made frames, 1 socket';
export const OWN_SOCKET = 'a socket of its own for each caller';

/** The name of the requester over a peer's pool. */
export function overPool(name: PeerName): string {
  return `${name} over net.connect`;
}

const nothingToClose = async (): Promise<void> => {};

/** A requester that is not open yet. */
export interface RequesterKind extends Pick<Requester, 'name' | 'role'> {
  readonly open: (service: ServiceReady, callers: number, max: number) => Requester | Promise<Requester>;
}

const CONNECT_TO_BACKEND = 'connectToBackend for each request';
const NET_CONNECT = 'net.connect for each request';
const NAIVE = 'naive negotiation for each request';

/**
 * The peers' pools over bare `net.connect`: they are told the endpoint, which ours has to ask the broker for.
 */
export const REQUESTERS: readonly RequesterKind[] = [
  { name: OURS, role: 'ours', open: ({ target }, _, max) => poolRequester(target, max) },
  {
    name: SESSION,
    role: 'ours',
    open: ({ framesTarget }, _, max) => sessionRequester(SESSION, framesTarget, max, {}),
  },
  {
    name: SESSION_OF_ONE,
    role: 'ours',
    open: ({ framesTarget }, _, max) =>
      sessionRequester(SESSION_OF_ONE, framesTarget, max, { connections: 1 }),
  },
  {
    name: CONNECT_TO_BACKEND,
    role: 'ours',
    open: ({ target }) =>
      perRequest(CONNECT_TO_BACKEND, 'ours', async () => (await connectToBackend(target)).socket),
  },
  ...PEER_NAMES.map((name): RequesterKind => ({
    name: overPool(name),
    role: 'peer',
    open: ({ backendEndpoint }, _, max) => peerRequester(name, backendEndpoint, max),
  })),
  {
    name: NET_CONNECT,
    role: 'peer',
    open: ({ backendEndpoint }) => perRequest(NET_CONNECT, 'peer', () => bareConnect(backendEndpoint)),
  },
  {
    name: NAIVE,
    role: 'peer',
    open: ({ target }) => perRequest(NAIVE, 'peer', () => naiveNegotiate(target)),
  },
  {
    name: OWN_SOCKET,
    role: 'floor',
    open: ({ backendEndpoint }, callers) => ownSockets(backendEndpoint, callers),
  },
  {
    name: BARE_POOL,
    role: 'floor',
    open: ({ backendEndpoint }, _, max) => barePool(backendEndpoint, max),
  },
  {
    name: BARE_FRAMES,
    role: 'floor',
    open: ({ framesEndpoint }, callers) => bareFrames(framesEndpoint, callers),
  },
];

/** Throws where there is no requester of that name. */
export async function openRequester(
  name: string,
  service: ServiceReady,
  callers: number,
  max: number,
): Promise<Requester> {
  const kind = REQUESTERS.find((one) => one.name === name);
  if (kind === undefined) throw new Error(`there is no requester ${name}`);
  return await kind.open(service, callers, max);
}

function poolRequester(target: TestTarget, max: number): Requester {
  const pool = new BrokerPool({ ...target, max });
  return {
    name: OURS,
    role: 'ours',
    request: (path) => pool.use(({ socket }) => requestHttpLike(socket, path)),
    close: () => pool.close(),
  };
}

/** The same service, asked in frames that share the connections of a pool. */
function sessionRequester(
  name: string,
  target: TestTarget,
  max: number,
  options: BenchSessionOptions,
): Requester {
  const pool = new BrokerPool({ ...target, max });
  const session = openSession(pool, { payloadProtocol: ECHO_PROTOCOL, ...options });
  return {
    name,
    role: 'ours',
    request: async (path) => {
      const answer = await session.request(Buffer.from(path, 'latin1'));
      if (Buffer.from(answer.buffer, answer.byteOffset, answer.length).toString('latin1') !== bodyFor(path))
        throw new Error(`wrong answer to ${path}`);
    },
    close: async () => {
      await session.close();
      await pool.close();
    },
  };
}

async function peerRequester(name: PeerName, endpoint: string, max: number): Promise<Requester> {
  const factory = {
    create: () => bareConnect(endpoint),
    destroy: async (socket: Socket) => void socket.destroy(),
  };
  const pool = await createPeer(name, factory, max);
  return {
    name: overPool(name),
    role: 'peer',
    request: async (path) => {
      const socket = await pool.acquire();
      await requestHttpLike(socket, path);
      pool.release(socket);
    },
    close: () => pool.close(),
  };
}

function perRequest(name: string, role: Role, open: () => Promise<Socket>): Requester {
  return {
    name,
    role,
    request: async (path) => {
      const socket = await open();
      await requestHttpLike(socket, path);
      socket.destroy();
    },
    close: nothingToClose,
  };
}

/** The floor: no caller waits for a socket, since each has its own. */
async function ownSockets(endpoint: string, callers: number): Promise<Requester> {
  return { ...(await barePool(endpoint, callers)), name: OWN_SOCKET };
}

/** The least cost for callers of `max` sockets: one that is free goes to the caller that has waited longest. */
async function barePool(endpoint: string, max: number): Promise<Requester> {
  const all = await Promise.all(Array.from({ length: max }, () => bareConnect(endpoint)));
  const idle = [...all];
  const waiting: ((socket: Socket) => void)[] = [];
  return {
    name: BARE_POOL,
    role: 'floor',
    request: async (path) => {
      const socket = idle.pop() ?? (await new Promise<Socket>((resolve) => waiting.push(resolve)));
      await requestHttpLike(socket, path);
      const next = waiting.shift();
      if (next === undefined) idle.push(socket);
      else next(socket);
    },
    close: async () => {
      for (const socket of all) socket.destroy();
    },
  };
}

/**
 * The least cost for callers of frames: the same frame for each request of a turn, all in one write, and answers
 * that are told apart by their length alone.
 */
async function bareFrames(endpoint: string, callers: number): Promise<Requester> {
  const path = '/artifact/0';
  const request = frameOf({ payload: Buffer.from(path) });
  const answerBytes = frameOf({ payload: Buffer.from(bodyFor(path)), kind: FrameKind.RESPONSE }).length;
  const requests = Buffer.concat(Array.from({ length: callers }, () => request));
  const socket = await bareConnect(endpoint);
  const waiting: (() => void)[] = [];
  let unsent = 0;
  let unread = 0;
  const send = (): void => {
    socket.write(requests.subarray(0, unsent * request.length));
    unsent = 0;
  };
  socket.on('data', (piece: Buffer) => {
    for (unread += piece.length; unread >= answerBytes; unread -= answerBytes) waiting.shift()?.();
  });
  return {
    name: BARE_FRAMES,
    role: 'floor',
    request: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (++unsent === 1) afterPromises(send);
      }),
    close: async () => void socket.destroy(),
  };
}

function frameOf(frame: OutgoingFrame): Buffer {
  const writer = new FrameWriter();
  writer.add({ envelopeVersion: PROTOCOL_VERSION, payloadProtocol: ECHO_PROTOCOL, requestId: 1, ...frame });
  return Buffer.concat(writer.take());
}
