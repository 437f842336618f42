import type { Native, SystemCalls } from './native.js';
import type { PollCalls } from './poll-calls.js';
import {
  epollPoller,
  epollWatch,
  kqueuePoller,
  kqueueWatch,
  pollPoller,
  type Poller,
  type PollerHandles,
  type PollerKind,
  type Watch,
} from './poller-kinds.js';

/** The best poller of this platform. */
export function preferredPoller(polling: PollCalls): PollerKind {
  if (polling.epollCreate !== undefined) return 'epoll';
  return polling.kqueue === undefined ? 'poll' : 'kqueue';
}

/** The call that failed, and the negated errno. */
export interface PollerProblem {
  readonly syscall: string;
  readonly result: number;
}

/** Opens the descriptors of a poller. Returns the problem where the system has no descriptor left. */
export function openPoller(
  native: Native,
  kind = preferredPoller(native.polling),
): PollerHandles | PollerProblem {
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
    return { syscall: kind === 'epoll' ? 'epoll_create1' : kind, result: queue };
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

/** Wakes the waiting thread. A full pipe is fine: it holds earlier wake-ups that the thread has not read yet. */
export function wakePoller(polling: PollCalls, handles: PollerHandles): void {
  polling.write(handles.wakeWrite, WAKE);
}

/**
 * The watch of a poller for other threads than the one that waits: an epoll or kqueue takes changes from any
 * thread, at once. `undefined` with `poll`, whose list belongs to the waiting thread.
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

/** Attaches the calling thread to handles that {@link openPoller} made. */
export function attachPoller(polling: PollCalls, handles: PollerHandles): Poller {
  const drain = new Uint8Array(512);
  const consumeWakeUp = (): void => {
    // One read empties an eventfd; a pipe that holds more wakes the thread once more.
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
