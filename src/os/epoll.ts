import { errno } from './errno.js';
import type { PollCalls } from './native.js';
import {
  BATCH,
  eventCount,
  wholeMilliseconds,
  type Poller,
  type PollerHandles,
  type Watch,
} from './watch.js';

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
