import { receiveMessageOnPort } from 'node:worker_threads';
import { monotonicNowMs } from '../../src/clock.js';
import { pollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import { SharedThreadState, type ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import type { SystemCalls } from '../../src/os/native.js';
import type { Poller } from '../../src/os/poller-kinds.js';

/** One run of a wait thread over the given calls of the system. */
export function runThreadLoop(
  { port, shared, lingerMs }: ThreadTask,
  system: SystemCalls,
  poller: Poller,
): void {
  pollLoop(
    {
      system,
      poller,
      shared: new SharedThreadState(shared),
      takeCommand: () => receiveMessageOnPort(port)?.message,
      post: (outcomes) => port.postMessage(outcomes),
      now: monotonicNowMs,
    },
    lingerMs,
  );
  port.close();
}
