import { receiveMessageOnPort } from 'node:worker_threads';
import { monotonicNowMs } from '../src/clock.js';
import { pollLoop } from '../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  tokenMemory,
  type ThreadTask,
} from '../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../src/os/native.js';
import { attachPoller } from '../src/os/poller.js';

/**
 * The worker entry: one task is one run of the wait loop. The thread blocks in a system call, so its own
 * event loop does not turn; commands are taken from the port by asking for them.
 */
export default function negotiate({ port, handles, shared, lingerMs }: ThreadTask): void {
  const state = new SharedThreadState(shared);
  const native = state.load(loadNative);
  if (native === undefined && state.stopRequested) return port.close();
  if (native === undefined) throw new Error('the C library cannot be reached from this thread');
  // The main thread waits for a first message where it warms the thread up.
  port.postMessage([]);
  pollLoop(
    {
      system: native.system,
      poller: attachPoller(native.polling, handles),
      shared: state,
      takeCommand: () => receiveMessageOnPort(port)?.message,
      post: (outcomes) => port.postMessage(outcomes, tokenMemory(outcomes)),
      now: monotonicNowMs,
    },
    lingerMs,
  );
  port.close();
}
