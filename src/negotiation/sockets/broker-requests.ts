/**
 * Requests to brokers: the connection by which a reply is read, how many replies are missing, and how long they keep
 * the process alive. The first connect of a program runs code of all three.
 */
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.js';
import { printableEndpoint, type Failure, type SystemFailure } from '../../errors.js';
import type { OnBytes, OnEnd } from '../../os/reply-channel.js';
import { connectFailure } from '../connect-failures.js';
import { systemFailureOf } from './dial.js';

/** A connection to a broker, read by two functions: a `ReplyChannel`, or a socket by {@link streamConnection}. */
export interface BrokerConnection {
  /** The connection no longer keeps the process alive. */
  unref(): void;
  /** Calls these functions from now on. */
  listen(onBytes: OnBytes, onEnd: OnEnd): void;
  /** Closes, and calls no function any more. */
  close(): void;
  /** Gives the socket away, without a listener of its own; closes a connection that has none. */
  detach(): Socket | undefined;
}

/** The connection to a broker over a socket. Bytes that `onBytes` gets are overwritten as soon as it returns. */
export function streamConnection(
  socket: Socket,
  onBytes: OnBytes = () => {},
  onEnd: OnEnd = () => {},
): BrokerConnection {
  let isRead = true;
  // 'readable' and not 'data': a socket that has flowed drops bytes that arrive before its next reader.
  const onReadable = (): void => {
    for (;;) {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      onBytes(chunk);
      // There may be a token in it.
      chunk.fill(0);
      if (!isRead) return;
    }
  };
  const end = (failure?: SystemFailure): void => {
    if (isRead) onEnd(failure);
    isRead = false;
  };
  const onError = (error: Error): void => end(systemFailureOf(error));
  const onClose = (): void => end();
  socket.on('readable', onReadable).on('end', onClose).on('error', onError).on('close', onClose);
  return {
    unref: () => void socket.unref(),
    listen(nextOnBytes, nextOnEnd) {
      onBytes = nextOnBytes;
      onEnd = nextOnEnd;
    },
    close() {
      isRead = false;
      // The listeners stay: an error that Node has yet to emit must not end the process.
      socket.destroy();
    },
    detach() {
      isRead = false;
      // One by one: Node closes the socket by listeners of its own.
      return socket
        .off('readable', onReadable)
        .off('end', onClose)
        .off('error', onError)
        .off('close', onClose);
    },
  };
}

/**
 * Requests that one broker may leave unanswered before this thread sends it no more: each of them has a
 * descriptor.
 */
export const MOST_UNANSWERED = 128;
/**
 * How long a request may keep the process alive for the broker's sake: a broker in health answers within
 * milliseconds.
 */
export const HOLD_MS = 1_000;
/** The `code` of the cause where a broker is sent no further request. */
const UNANSWERED_CODE = 'EUNANSWERED';

/** One request whose caller has given up, and whose reply is still awaited. */
interface Unanswered {
  readonly giveUpAtMs: number;
}

interface Broker {
  /** The oldest one first. */
  readonly requests: Set<Unanswered>;
  readonly onRoom: Set<() => void>;
}

/**
 * The requests that brokers have not answered although their callers have given up, by endpoint: of all pools
 * and calls of this thread.
 */
const brokers = new Map<string, Broker>();

/**
 * Counts an unanswered request. Returns the function to call when it has been answered, or nothing can come
 * any more.
 */
export function addUnanswered(endpoint: string, giveUpAtMs: number): () => void {
  const broker = brokers.get(endpoint) ?? { requests: new Set(), onRoom: new Set() };
  brokers.set(endpoint, broker);
  const request: Unanswered = { giveUpAtMs };
  broker.requests.add(request);
  return () => {
    if (!broker.requests.delete(request)) return;
    if (broker.requests.size === 0) brokers.delete(endpoint);
    const callbacks = Array.from(broker.onRoom);
    broker.onRoom.clear();
    for (const callback of callbacks) callback();
  };
}

/** How many requests the broker has left unanswered. */
export function countUnanswered(endpoint: string): number {
  return brokers.get(endpoint)?.requests.size ?? 0;
}

/** Why no further request may be sent to a broker, if so. */
export function unansweredFailure(endpoint: string): Failure | undefined {
  const count = countUnanswered(endpoint);
  if (count < MOST_UNANSWERED) return undefined;
  const problem =
    `${count} requests to ${printableEndpoint(endpoint)} are unanswered; ` +
    'no more are sent before one is answered or given up after 35 s';
  return connectFailure('broker', endpoint, { code: UNANSWERED_CODE, syscall: 'connect', message: problem });
}

/** Whether an error is an {@link unansweredFailure}. */
export function isUnanswered({ cause }: Error): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === UNANSWERED_CODE;
}

/** How long it takes at most until the broker may be sent another request, in milliseconds. */
export function roomWithinMs(endpoint: string): number {
  const [oldest] = brokers.get(endpoint)?.requests ?? [];
  return oldest === undefined ? 0 : Math.max(0, oldest.giveUpAtMs - systemClock.now());
}

/**
 * Calls `callback` once when the broker may be sent another request. Returns a function that takes the
 * callback away.
 */
export function onRoom(endpoint: string, callback: () => void): () => void {
  const callbacks = brokers.get(endpoint)?.onRoom;
  callbacks?.add(callback);
  return () => callbacks?.delete(callback);
}

/** How many requests keep the process alive, and until when they may. */
const held = { requests: 0, untilMs: 0 };

/**
 * Keeps the process alive for a broker's reply, for a second from `sinceMs` at most: a program that ends in
 * between would hang up on the broker (V-31). A request that begins while others hold the process does not
 * prolong the time, or the Hellos of several pools would hold it for ever. A broker with unanswered requests
 * holds nothing. Returns a function that lets the process end.
 */
export function holdForReply(endpoint: string, sinceMs: number): () => void {
  const nowMs = systemClock.now();
  if (held.requests === 0) held.untilMs = nowMs + HOLD_MS;
  const leftMs = Math.min(sinceMs + HOLD_MS, held.untilMs) - nowMs;
  if (leftMs <= 0 || countUnanswered(endpoint) > 0) return () => {};
  held.requests += 1;
  let isHeld = true;
  const letGo = (): void => {
    cancel();
    if (isHeld) held.requests -= 1;
    isHeld = false;
  };
  const cancel = systemClock.schedule(leftMs, letGo, true);
  return letGo;
}
