import type { PollCalls } from './native.js';
import {
  BATCH,
  eventCount,
  wholeMilliseconds,
  type Poller,
  type PollerHandles,
  type Watch,
} from './watch.js';

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
