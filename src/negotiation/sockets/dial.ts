import { connect, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { abortable } from '../../abort.js';
import type { Clock } from '../../clock.js';
import { printable, type Failure, type SystemFailure } from '../../errors.js';
import { printableEndpoint, systemFailure, wouldBlock } from '../../os/errno.js';
import {
  checkPeer,
  checkFileUnlessPeerKnown,
  untrusted,
  type EndpointTrust,
} from '../../os/endpoint-trust.js';
import type { Native, SystemCalls } from '../../os/native.js';
import { connectTo } from '../../os/socket.js';
import { descriptorOf, socketOverDescriptor } from '../../os/socket-handle.js';
import {
  backlogFailure,
  connectFailure,
  FIRST_RETRY_MS,
  isBusy,
  LONGEST_RETRY_MS,
  type Peer,
} from '../connect-failures.js';
import { afterTurn, mustTurn } from './dials-in-turn.js';

/** How a dial ended. The caller names the peer of a `system` failure: broker, backend or cached endpoint. */
export type DialOutcome =
  | { readonly kind: 'connected'; readonly socket: Socket }
  | { readonly kind: 'refused'; readonly system: SystemFailure }
  | { readonly kind: 'timeout'; readonly failure: Failure };

export interface DialOptions {
  readonly endpoint: string;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  /** For messages only: the span that led to `deadlineMs`. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /**
   * Users who may be behind the endpoint. The caller checks the socket file itself where that must come first.
   * @default every peer is trusted
   */
  readonly trust?: EndpointTrust | undefined;
  /** Keep the process alive until the dial has settled. @default true */
  readonly keepAlive?: boolean;
  /**
   * Gets each socket as soon as its connect has been called. A local socket is connected then, or the connect
   * has failed.
   */
  readonly onCalled?: (socket: Socket) => void;
  /**
   * Gets a connection that comes through after the dial was given up or timed out. Without it such a
   * connection is closed.
   */
  readonly onLateConnect?: (socket: Socket) => void;
  /** For tests. @default this system's */
  readonly platform?: NodeJS.Platform;
  /** For tests: begins a connect. @default Node's `connect` */
  readonly open?: (endpoint: string) => Socket;
}

/** The failure of a job, or of a call, whose dial failed. */
export function dialFailure(
  peer: Peer,
  endpoint: string,
  outcome: Exclude<DialOutcome, { readonly kind: 'connected' }>,
): Failure {
  return outcome.kind === 'timeout' ? outcome.failure : connectFailure(peer, endpoint, outcome.system);
}

/** Makes a socket that owns the descriptor of a Unix socket. */
export type SocketMaker = (descriptor: number) => Socket;

/** A socket that owns `descriptor` from now on. When it cannot be made, the descriptor is closed. */
export function socketOver(
  system: SystemCalls,
  descriptor: number,
  makeSocket: SocketMaker = socketOverDescriptor,
): Socket | Error {
  try {
    return makeSocket(descriptor);
  } catch (error) {
    system.close(descriptor);
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * Connects by {@link dialNow} where that is possible, after a turn of the event loop if there were many, else by {@link
 * dial}. A promise rejects with `ABORTED` when the signal aborts first.
 */
export function connectWithin(
  native: Native | undefined,
  options: Omit<DialOptions, 'deadlineMs'> & { readonly makeSocket?: SocketMaker | undefined },
  signal: AbortSignal | undefined,
  aborted: string,
): DialOutcome | Promise<DialOutcome> {
  const { endpoint, timeoutMs, clock, trust, makeSocket } = options;
  const waits = native !== undefined && mustTurn();
  const outcome = waits ? undefined : dialNow(native, endpoint, trust, makeSocket);
  if (outcome !== undefined) return outcome;
  const dialOnLoop = (settle: (outcome: DialOutcome) => void): (() => void) =>
    dial({ ...options, deadlineMs: clock.now() + timeoutMs }, settle);
  const dialAfterTurn = (settle: (outcome: DialOutcome) => void): (() => void) => {
    let stop = afterTurn(() => {
      const late = dialNow(native, endpoint, trust, makeSocket);
      if (late === undefined) stop = dialOnLoop(settle);
      else settle(late);
    });
    return () => stop();
  };
  const start = waits ? dialAfterTurn : dialOnLoop;
  return signal === undefined
    ? new Promise((settle) => void start(settle))
    : abortable(signal, aborted, start);
}

/**
 * Connects on the spot: a connect to a Unix socket never has to wait for the other side, only for room in its
 * backlog. `undefined` where there is no room, or no `native`, and in worker threads (see `openDriver`): then
 * {@link dial}.
 */
export function dialNow(
  native: Native | undefined,
  endpoint: string,
  trust?: EndpointTrust,
  makeSocket?: SocketMaker,
): DialOutcome | undefined {
  if (native === undefined || !isMainThread) return undefined;
  const { system } = native;
  const descriptor = system.openSocket();
  if (descriptor < 0) return { kind: 'refused', system: systemFailure('socket', descriptor, endpoint) };
  const connected = connectTo(system, descriptor, endpoint);
  if (connected < 0) {
    system.close(descriptor);
    if (wouldBlock(connected)) return undefined;
    return { kind: 'refused', system: systemFailure('connect', connected, endpoint) };
  }
  const stranger = checkPeer(descriptor, trust);
  if (stranger !== undefined) {
    system.close(descriptor);
    return { kind: 'refused', system: untrusted(endpoint, stranger) };
  }
  const socket = socketOver(system, descriptor, makeSocket);
  return socket instanceof Error
    ? { kind: 'refused', system: systemFailureOf(socket) }
    : { kind: 'connected', socket };
}

/**
 * Connects to a local socket on the event loop and calls `settle` once, later. A busy listener ({@link
 * isBusy}) is tried again until the deadline. Returns a function that gives up silently.
 */
export function dial(options: DialOptions, settle: (outcome: DialOutcome) => void): () => void {
  const {
    endpoint,
    deadlineMs,
    timeoutMs,
    clock,
    trust,
    keepAlive = true,
    onCalled,
    onLateConnect,
    platform,
    open = connectToPath,
  } = options;
  let retryDelayMs = FIRST_RETRY_MS;
  let socket: Socket | undefined;
  let cancelRetry = (): void => {};
  let backlogFull = false;

  const deadline = clock.deadline(deadlineMs - clock.now(), () => {
    stop();
    settle({
      kind: 'timeout',
      failure: backlogFull ? backlogFailure(endpoint, timeoutMs) : connectTimeout(endpoint, timeoutMs),
    });
  });

  function stop(): void {
    deadline.cancel();
    cancelRetry();
    if (socket !== undefined) abandon(socket, onLateConnect);
    socket = undefined;
  }

  function attempt(): void {
    const current = open(endpoint);
    socket = current;
    if (!keepAlive) current.unref();
    const onConnect = (): void => {
      socket = undefined;
      deadline.cancel();
      const stranger = checkPeer(descriptorOf(current), trust);
      if (stranger !== undefined) {
        current.destroy();
        return settle({ kind: 'refused', system: untrusted(endpoint, stranger) });
      }
      current.off('error', onError);
      current.ref();
      settle({ kind: 'connected', socket: current });
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      socket = undefined;
      current.off('connect', onConnect);
      if (isBusy(error.code, platform)) {
        backlogFull = true;
        cancelRetry = clock.schedule(retryDelayMs, attempt, keepAlive);
        retryDelayMs = Math.min(retryDelayMs * 2, LONGEST_RETRY_MS);
        return;
      }
      deadline.cancel();
      settle({ kind: 'refused', system: systemFailureOf(error) });
    };
    current.once('connect', onConnect);
    current.once('error', onError);
    onCalled?.(current);
  }

  const problem = checkFileUnlessPeerKnown(endpoint, trust);
  if (problem === undefined) {
    attempt();
    return stop;
  }
  const cancelSettle = clock.afterTurn(() => {
    deadline.cancel();
    settle({ kind: 'refused', system: untrusted(endpoint, problem) });
  });
  return () => {
    deadline.cancel();
    cancelSettle();
  };
}

function connectToPath(endpoint: string): Socket {
  return connect({ path: endpoint });
}

/** Lets go of a socket whose connect is under way. */
function abandon(socket: Socket, onLateConnect: ((socket: Socket) => void) | undefined): void {
  socket
    .removeAllListeners('connect')
    .removeAllListeners('error')
    .on('error', () => {});
  if (onLateConnect === undefined) socket.destroy();
  else socket.once('connect', () => onLateConnect(socket));
}

/** The error that Node reported, as data. */
export function systemFailureOf(error: NodeJS.ErrnoException): SystemFailure {
  return {
    code: error.code ?? 'UNKNOWN',
    syscall: error.syscall ?? 'connect',
    message: printable(error.message.replaceAll('\0', '@')),
  };
}

function connectTimeout(endpoint: string, timeoutMs: number): Failure {
  const message = `connect to ${printableEndpoint(endpoint)} timed out after ${timeoutMs} ms`;
  return { code: 'TIMEOUT', phase: 'connect', message, endpoint };
}
