import { types } from 'node:util';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { PollLoop } from '../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  tokenMemory,
  type ThreadOutcome,
  type ThreadTask,
} from '../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../src/os/native.js';
import { attachPoller } from '../src/os/poller.js';

const stateMemory: unknown = workerData;
// This is the last module to run. Not at once: Node has more to do for piscina, which requires it.
if (types.isSharedArrayBuffer(stateMemory)) {
  const state = new SharedThreadState(stateMemory);
  void Promise.resolve().then(() => state.endStart());
}

/**
 * The worker entry: one task is one session of the poll loop. The thread blocks in a system call, so its own
 * event loop does not turn; commands are taken from the port by asking for them.
 */
export default function negotiate({ port, handles, shared, lingerMs }: ThreadTask): void {
  const state = new SharedThreadState(shared);
  const native = state.load(loadNative);
  if (native === undefined && state.stopRequested) return port.close();
  if (native === undefined) throw new Error('the C library cannot be reached from this thread');
  // The main thread waits for a first message where it warms the thread up.
  port.postMessage([]);
  const commands = {
    take: () => receiveMessageOnPort(port)?.message,
    post: (outcomes: ThreadOutcome[]) => port.postMessage(outcomes, tokenMemory(outcomes)),
  };
  new PollLoop(native.system, attachPoller(native.polling, handles), state, commands).run(lingerMs);
  port.close();
}
