import { systemClock } from '../clock.js';

/** Requests that one broker may leave unanswered before this thread sends it no more: each of them has a descriptor. */
export const MOST_UNANSWERED = 128;
/** How long a request may keep the process alive for the broker's sake: a broker in health answers within milliseconds. */
export const HOLD_MS = 1_000;
/** The `code` of the cause where a broker is sent no further request. */
export const UNANSWERED_CODE = 'EUNANSWERED';

/** One request whose caller has given up, and whose reply is still awaited. */
interface Unanswered {
  readonly giveUpAtMs: number;
}

interface Broker {
  /** The oldest one first. */
  readonly requests: Set<Unanswered>;
  readonly onRoom: Set<() => void>;
}

/** The requests that brokers have not answered although their callers have given up, by endpoint: of all pools and calls of this thread. */
const brokers = new Map<string, Broker>();

/** Counts an unanswered request. Returns the function to call when it has been answered, or nothing can come any more. */
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

/** Whether an error says so. */
export function isUnanswered({ cause }: Error): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === UNANSWERED_CODE;
}

/** How long it takes at most until the broker may be sent another request, in milliseconds. */
export function roomWithinMs(endpoint: string): number {
  const [oldest] = brokers.get(endpoint)?.requests ?? [];
  return oldest === undefined ? 0 : Math.max(0, oldest.giveUpAtMs - systemClock.now());
}

/** Calls `callback` once when the broker may be sent another request. Returns a function that takes the callback away. */
export function onRoom(endpoint: string, callback: () => void): () => void {
  const callbacks = brokers.get(endpoint)?.onRoom;
  callbacks?.add(callback);
  return () => callbacks?.delete(callback);
}

/**
 * Keeps the process alive for a broker's reply, for a second from `sinceMs` at most: a program that ends in between would hang up on the
 * broker (V-31). A broker that owes other replies is not waited for, or a program with a silent broker would never end. Returns a function
 * that lets the process go.
 */
export function holdForReply(endpoint: string, sinceMs: number): () => void {
  const leftMs = sinceMs + HOLD_MS - systemClock.now();
  if (leftMs <= 0 || countUnanswered(endpoint) > 0) return () => {};
  return systemClock.schedule(leftMs, () => {}, true);
}
