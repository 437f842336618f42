import { errno } from './errno.js';
import type { Native, PollCalls, SystemCalls } from './native.js';

/** How a thread waits: `epoll` on Linux, `kqueue` on macOS, `poll` wherever there is POSIX. */
export type PollerKind = 'epoll' | 'kqueue' | 'poll';

/**
 * The descriptors of a wait, as numbers that can cross threads. The main thread opens and closes them, so that they
 * outlive a crashed wait thread and never leak with it.
 */
export interface PollerHandles {
  readonly kind: PollerKind;
  /** The epoll or kqueue descriptor; -1 with `poll`, which has none. */
  readonly queue: number;
  /** Readable when the waiting thread shall look up. The same number as `wakeWrite` with an eventfd. */
  readonly wakeRead: number;
  readonly wakeWrite: number;
}

/** The best poller of this platform. */
export function preferredPoller(polling: PollCalls): PollerKind {
  if (polling.epollCreate !== undefined) return 'epoll';
  return polling.kqueue === undefined ? 'poll' : 'kqueue';
}

/** Opens what a wait needs. Returns the negated errno and the call's name where the system has no descriptor left. */
export function openPoller(native: Native, kind = preferredPoller(native.polling)): PollerHandles | { syscall: string; result: number } {
  const { polling, system } = native;
  let wakeRead: number;
  let wakeWrite: number;
  if (polling.eventfd === undefined) {
    const ends = new Int32Array(2);
    const result = polling.pipe(ends);
    if (result < 0) return { syscall: 'pipe', result };
    [wakeRead = -1, wakeWrite = -1] = ends;
  } else {
    wakeRead = wakeWrite = polling.eventfd();
    if (wakeRead < 0) return { syscall: 'eventfd', result: wakeRead };
  }
  let queue = -1;
  if (kind === 'epoll') queue = polling.epollCreate?.() ?? -1;
  if (kind === 'kqueue') queue = polling.kqueue?.() ?? -1;
  if (kind !== 'poll' && queue < 0) {
    closePoller(system, { kind, queue: -1, wakeRead, wakeWrite });
    return { syscall: kind, result: queue };
  }
  return { kind, queue, wakeRead, wakeWrite };
}

export function closePoller(system: SystemCalls, handles: PollerHandles): void {
  if (handles.queue >= 0) system.close(handles.queue);
  system.close(handles.wakeRead);
  if (handles.wakeWrite !== handles.wakeRead) system.close(handles.wakeWrite);
}

/** An eventfd takes a 64-bit number, a pipe any bytes: eight bytes that are 1 in host order suit both. */
const WAKE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Makes the waiting thread look up. A full pipe is fine: the thread has been woken and has not looked yet. */
export function wakePoller(polling: PollCalls, handles: PollerHandles): void {
  polling.write(handles.wakeWrite, WAKE);
}

/** What is watched, seen from any thread. */
export interface Watch {
  /** Returns 0 or the negated errno. */
  add(descriptor: number): number;
  remove(descriptor: number): void;
}

/**
 * The watch of a poller for other threads than the one that waits: the kernel takes changes to an epoll or kqueue from any of
 * them, and at once. `undefined` with `poll`, whose list is the waiting thread's own.
 */
export function sharedWatch(polling: PollCalls, handles: PollerHandles): Watch | undefined {
  switch (handles.kind) {
    case 'epoll':
      return epollWatch(polling, handles.queue);
    case 'kqueue':
      return kqueueWatch(polling, handles.queue);
    case 'poll':
      return undefined;
  }
}

/** Watches descriptors for input, end and error. Level-triggered: what is not read shows again in the next wait. */
export interface Poller extends Watch {
  /**
   * Blocks the thread until something is readable, a wake-up arrives or `timeoutMs` has passed (`Infinity`: no limit), and
   * calls `ready` for each readable descriptor. Wake-ups are consumed here.
   */
  wait(timeoutMs: number, ready: (descriptor: number) => void): void;
}

/** Attaches the calling thread to handles that {@link openPoller} made. */
export function attachPoller(polling: PollCalls, handles: PollerHandles): Poller {
  const drain = new Uint8Array(512);
  const consumeWakeUp = (): void => {
    // One read empties an eventfd; a pipe may hold more, and then simply wakes the thread once more.
    polling.read(handles.wakeRead, drain);
  };
  switch (handles.kind) {
    case 'epoll':
      return epollPoller(polling, handles, consumeWakeUp);
    case 'kqueue':
      return kqueuePoller(polling, handles, consumeWakeUp);
    case 'poll':
      return pollPoller(polling, handles, consumeWakeUp);
  }
}

/** Events taken per call; more simply show in the next one. */
const BATCH = 256;

/** C takes whole milliseconds as an int. Rounded up, or a wait would end a moment before its deadline and spin. */
function wholeMilliseconds(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : Math.min(Math.max(0, Math.ceil(timeoutMs)), 2 ** 31 - 1);
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

/**
 * `struct epoll_event`: events (u32), then 64 bits of user data, of which the first 32 hold the descriptor. The struct is
 * packed on x86 (12 bytes, data at 4) and aligned elsewhere (16 bytes, data at 8).
 */
const EPOLL_PACKED = process.arch === 'x64' || process.arch === 'ia32';
const EPOLL_EVENT_BYTES = EPOLL_PACKED ? 12 : 16;
const EPOLL_DATA_OFFSET = EPOLL_PACKED ? 4 : 8;

function epollWatch({ epollControl }: PollCalls, queue: number): Watch {
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

function epollPoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
  const { epollWait } = polling;
  if (epollWait === undefined) throw new Error('epoll is not available here');
  const events = new DataView(new ArrayBuffer(EPOLL_EVENT_BYTES * BATCH));
  const eventBytes = new Uint8Array(events.buffer);
  const watch = epollWatch(polling, handles.queue);
  const added = watch.add(handles.wakeRead);
  // A thread that follows another finds the wake descriptor watched already.
  if (added < 0 && added !== -(errno['EEXIST'] ?? 0)) throw new Error(`epoll_ctl failed with errno ${-added}`);
  return {
    ...watch,
    wait(timeoutMs, ready) {
      const count = epollWait(handles.queue, eventBytes, BATCH, wholeMilliseconds(timeoutMs));
      for (let index = 0; index < count; index++) {
        const descriptor = events.getInt32(index * EPOLL_EVENT_BYTES + EPOLL_DATA_OFFSET, true);
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}

const EVFILT_READ = -1;
const EV_ADD = 1;
const EV_DELETE = 2;
/** `struct kevent` (64 bits): ident u64, filter i16, flags u16, fflags u32, data i64, udata pointer. */
const KEVENT_BYTES = 32;
const NO_EVENTS = new Uint8Array(KEVENT_BYTES);

function kqueueWatch({ kevent }: PollCalls, queue: number): Watch {
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

function kqueuePoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
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
      const count = kevent(handles.queue, NO_EVENTS, 0, eventBytes, BATCH, limit < 0 ? null : timeoutBytes);
      for (let index = 0; index < count; index++) {
        const descriptor = Number(events.getBigUint64(index * KEVENT_BYTES, true));
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}

const POLLIN = 1;
/** `struct pollfd`: descriptor i32, wanted events i16, returned events i16. */
const POLLFD_BYTES = 8;

/** The floor: every call hands the whole list to the kernel, so its cost grows with the number of waits. */
function pollPoller(polling: PollCalls, handles: PollerHandles, consumeWakeUp: () => void): Poller {
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
      if (polling.poll(new Uint8Array(entries.buffer), count, wholeMilliseconds(timeoutMs)) <= 0) return;
      for (let index = 0; index < count; index++) {
        if (entries.getUint16(index * POLLFD_BYTES + 6, true) === 0) continue;
        const descriptor = entries.getInt32(index * POLLFD_BYTES, true);
        if (descriptor === handles.wakeRead) consumeWakeUp();
        else ready(descriptor);
      }
    },
  };
}
