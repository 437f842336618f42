import type { PollCalls } from './native.js';
import { eventCount, wholeMilliseconds, type Poller, type PollerHandles } from './watch.js';

const POLLIN = 1;
/** `struct pollfd`: descriptor i32, wanted events i16, returned events i16. */
const POLLFD_BYTES = 8;

/** The floor: every call hands the whole list to the kernel, so its cost grows with the number of waits. */
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
