import { systemFailure } from './errno.js';

/** How a thread waits: `epoll` on Linux, `kqueue` on macOS, `poll` wherever there is POSIX. */
export type PollerKind = 'epoll' | 'kqueue' | 'poll';

/**
 * The descriptors of a wait, as numbers that can cross threads. The main thread opens and closes them, so
 * that they outlive a crashed wait thread and never leak with it.
 */
export interface PollerHandles {
  readonly kind: PollerKind;
  /** The epoll or kqueue descriptor; -1 with `poll`, which has none. */
  readonly queue: number;
  /** Readable when the waiting thread shall look up. The same number as `wakeWrite` with an eventfd. */
  readonly wakeRead: number;
  readonly wakeWrite: number;
}

/** What is watched, seen from any thread. */
export interface Watch {
  /** Returns 0 or the negated errno. */
  add(descriptor: number): number;
  remove(descriptor: number): void;
}

/**
 * Watches descriptors for input, end and error. Level-triggered: what is not read shows again in the next
 * wait.
 */
export interface Poller extends Watch {
  /**
   * Blocks the thread until something is readable, a wake-up arrives or `timeoutMs` has passed (`Infinity`:
   * no limit), and calls `ready` for each readable descriptor. Wake-ups are consumed here. Throws when the
   * system does not let it wait: whoever tried again would not block.
   */
  wait(timeoutMs: number, ready: (descriptor: number) => void): void;
}

/** Events taken per call; more simply show in the next one. */
export const BATCH = 256;

const LARGEST_INT = 2 ** 31 - 1;

/**
 * C takes whole milliseconds as an int. Rounded up, or a wait would end a moment before its deadline and
 * spin.
 */
export function wholeMilliseconds(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : Math.min(Math.max(0, Math.ceil(timeoutMs)), LARGEST_INT);
}

/** How many events a wait has brought. Throws if it failed. */
export function eventCount(syscall: string, result: number): number {
  if (result >= 0) return result;
  throw new Error(systemFailure(syscall, result).message);
}
