import { systemClock } from '../clock.js';
import { heldBy, type Lease } from '../pool/lease.js';

/** Before the announced time is over the backend may have closed the connection: its clock is not ours. */
const MARGIN_MS = 1_000;

/**
 * Until when a connection may be used again, on the monotonic clock, by connections that announced it. A lease that a
 * test has made has no connection.
 */
const usableUntilMs = new WeakMap<object, number>();

/**
 * Notes for how long the backend keeps a connection after an answer: `Keep-Alive: timeout=5`, as Node's own server
 * sends it, are five seconds. Returns whether it is long enough to use the connection again.
 */
export function noteKeepAlive(lease: Lease, hint: unknown): boolean {
  const [, seconds] = typeof hint === 'string' ? (/\btimeout=(\d+)/.exec(hint) ?? []) : [];
  if (seconds === undefined) return true;
  const leftMs = Number(seconds) * 1_000 - MARGIN_MS;
  const connection = heldBy(lease);
  if (connection !== undefined) usableUntilMs.set(connection, systemClock.now() + leftMs);
  return leftMs > 0;
}

/** Whether the time that the backend announced for the connection of a lease is over, or nearly over. */
export function isOutlived(lease: Lease): boolean {
  const connection = heldBy(lease);
  const untilMs = connection && usableUntilMs.get(connection);
  return untilMs !== undefined && systemClock.now() >= untilMs;
}
