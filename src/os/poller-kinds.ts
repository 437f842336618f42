import { errno, systemFailure } from './errno.js';
import type { PollCalls } from './poll-calls.js';

/** The call in which a thread waits: `epoll` on Linux, `kqueue` on macOS, `poll` wherever there is POSIX. */
export type PollerKind = 'epoll' | 'kqueue' | 'poll';

/**
 * The descriptors of a wait, as numbers that can cross threads. The main thread opens and closes them, so
 * that they outlive a crashed wait thread and never leak with it.
 */
export interface PollerHandles {
  readonly kind: PollerKind;
  /** The epoll or kqueue descriptor; -1 with `poll`, which has none. */
  readonly queue: number;
  /** Readable when the waiting thread must wake up. The same number as `wakeWrite` with an eventfd. */
  readonly wakeRead: number;
  readonly wakeWrite: number;
}

/** The set of watched descriptors, for any thread. */
export interface Watch {
  /** Returns 0 or the negated errno. */
  add(descriptor: number): number;
  remove(descriptor: number): void;
}

/**
 * Watches descriptors for input, end and error. Level-triggered: a descriptor that was not read to its end shows
 * again in the next wait.
 */
export interface Poller extends Watch {
  /**
   * Blocks the thread until something is readable, a wake-up arrives or `timeoutMs` has passed (`Infinity`:
   * no limit), and calls `ready` for each readable descriptor. Wake-ups are consumed here. Throws when the
   * system refuses the wait: a caller that tried again would spin.
   */
  wait(timeoutMs: number, ready: (descriptor: number) => void): void;
}

/** Events taken per call; the others show in the next one. */
export const BATCH = 256;

const LARGEST_INT = 2 ** 31 - 1;

/** C takes whole milliseconds as an int. Rounded up: a wait that ends a moment early would spin. */
function wholeMilliseconds(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : Math.min(Math.max(0, Math.ceil(timeoutMs)), LARGEST_INT);
}

/** The number of events of a wait. Throws if the wait failed. */
function eventCount(syscall: string, result: number): number {
  if (result >= 0) return result;
  throw new Error(systemFailure(syscall, result).message);
}

// Linux.

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

/**
 * `struct epoll_event`: events (u32), then 64 bits of user data, of which the first 32 hold the descriptor.
 * The struct is packed on x86 (12 bytes, data at 4) and aligned elsewhere (16 bytes, data at 8).
 */
const EPOLL_PACKED = process.arch === 'x64' || process.arch === 'ia32';
const EPOLL_EVENT_BYTES = EPOLL_PACKED ? 12 : 16;
const EPOLL_DATA_OFFSET = EPOLL_PACKED ? 4 : 8;

export function epollWatch({ epollControl }: PollCalls, queue: number): Watch {
  if (epollControl === undefined) throw new Error('epoll is not available here');
  const change = new DataView(new ArrayBuffer(EPOLL_EVENT_BYTES));
  const changeBytes = new Uint8Array(change.buffer);
  return {
    add: (descriptor) => {
      change.setUint32(0, EPOLLIN, true);
      change.setInt32(EPOLL_DATA_OFFSET, descriptor, true);
      return epollControl(queue, EPOLL_CTL_ADD, descriptor, changeBytes);
    },
    remove: (descriptor) => {
      epollControl(queue, EPOLL_CTL_DEL, descriptor, changeBytes);
    },
  };
}

export function epollPoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
  const { epollWait } = polling;
  if (epollWait === undefined) throw new Error('epoll is not available here');
  const events = new DataView(new ArrayBuffer(EPOLL_EVENT_BYTES * BATCH));
  const eventBytes = new Uint8Array(events.buffer);
  const watch = epollWatch(polling, handles.queue);
  const added = watch.add(handles.wakeRead);
  // A thread that follows another finds the wake descriptor watched already.
  if (added < 0 && added !== -(errno['EEXIST'] ?? 0))
    throw new Error(`epoll_ctl failed with errno ${-added}`);
  return {
    ...watch,
    wait(timeoutMs, ready) {
      const count = eventCount(
        'epoll_wait',
        epollWait(handles.queue, eventBytes, BATCH, wholeMilliseconds(timeoutMs)),
      );
      for (let index = 0; index < count; index++) {
        const descriptor = events.getInt32(index * EPOLL_EVENT_BYTES + EPOLL_DATA_OFFSET, true);
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}

// macOS.

const EVFILT_READ = -1;
const EV_ADD = 1;
const EV_DELETE = 2;
/** `struct kevent` (64 bits): ident u64, filter i16, flags u16, fflags u32, data i64, udata pointer. */
const KEVENT_BYTES = 32;
const NO_EVENTS = new Uint8Array(KEVENT_BYTES);

export function kqueueWatch({ kevent }: PollCalls, queue: number): Watch {
  if (kevent === undefined) throw new Error('kqueue is not available here');
  const change = new DataView(new ArrayBuffer(KEVENT_BYTES));
  const changeBytes = new Uint8Array(change.buffer);
  const update = (descriptor: number, flags: number): number => {
    change.setBigUint64(0, BigInt(descriptor), true);
    change.setInt16(8, EVFILT_READ, true);
    change.setUint16(10, flags, true);
    return kevent(queue, changeBytes, 1, NO_EVENTS, 0, null);
  };
  return {
    add: (descriptor) => update(descriptor, EV_ADD),
    remove: (descriptor) => {
      update(descriptor, EV_DELETE);
    },
  };
}

export function kqueuePoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
  const { kevent } = polling;
  if (kevent === undefined) throw new Error('kqueue is not available here');
  const events = new DataView(new ArrayBuffer(KEVENT_BYTES * BATCH));
  const eventBytes = new Uint8Array(events.buffer);
  /** `struct timespec`: seconds i64, nanoseconds i64. */
  const timeout = new DataView(new ArrayBuffer(16));
  const timeoutBytes = new Uint8Array(timeout.buffer);
  const watch = kqueueWatch(polling, handles.queue);
  watch.add(handles.wakeRead);
  return {
    ...watch,
    wait(timeoutMs, ready) {
      const limit = wholeMilliseconds(timeoutMs);
      if (limit >= 0) {
        timeout.setBigInt64(0, BigInt(Math.floor(limit / 1_000)), true);
        timeout.setBigInt64(8, BigInt((limit % 1_000) * 1_000_000), true);
      }
      const result = kevent(handles.queue, NO_EVENTS, 0, eventBytes, BATCH, limit < 0 ? null : timeoutBytes);
      const count = eventCount('kevent', result);
      for (let index = 0; index < count; index++) {
        const descriptor = Number(events.getBigUint64(index * KEVENT_BYTES, true));
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}

// Any POSIX system.

const POLLIN = 1;
/** `struct pollfd`: descriptor i32, wanted events i16, returned events i16. */
const POLLFD_BYTES = 8;

/** Hands the whole list to the kernel in every call: the cost grows with the number of waits. */
export function pollPoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
  const watched = new Set<number>([handles.wakeRead]);
  let entries = new DataView(new ArrayBuffer(POLLFD_BYTES * 64));
  return {
    add(descriptor) {
      watched.add(descriptor);
      return 0;
    },
    remove: (descriptor) => {
      watched.delete(descriptor);
    },
    wait(timeoutMs, ready) {
      if (entries.byteLength < watched.size * POLLFD_BYTES) {
        entries = new DataView(new ArrayBuffer(watched.size * POLLFD_BYTES * 2));
      }
      let offset = 0;
      for (const descriptor of watched) {
        entries.setInt32(offset, descriptor, true);
        entries.setUint32(offset + 4, POLLIN, true);
        offset += POLLFD_BYTES;
      }
      const count = watched.size;
      const result = polling.poll(new Uint8Array(entries.buffer), count, wholeMilliseconds(timeoutMs));
      if (eventCount('poll', result) === 0) return;
      for (let index = 0; index < count; index++) {
        if (entries.getUint16(index * POLLFD_BYTES + 6, true) === 0) continue;
        const descriptor = entries.getInt32(index * POLLFD_BYTES, true);
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}
