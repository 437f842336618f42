import { receiveMessageOnPort } from 'node:worker_threads';
import { monotonicNowMs } from '../../src/clock.js';
import { pollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  type ThreadCommand,
  type ThreadTask,
} from '../../src/negotiation/wait-thread/thread-protocol.js';
import type { SystemCalls } from '../../src/os/native.js';
import type { Poller } from '../../src/os/poller-kinds.js';

/** One run of a wait thread over the given calls of the system. `onStart` is called with each job that it is told of. */
export function runThreadLoop(
  { port, shared, lingerMs }: ThreadTask,
  system: SystemCalls,
  poller: Poller,
  onStart: () => void = () => {},
): void {
  const takeCommand = (): ThreadCommand | undefined => {
    const command: ThreadCommand | undefined = receiveMessageOnPort(port)?.message;
    if (command?.kind === 'start') onStart();
    return command;
  };
  // The main thread waits for a first message where it warms the thread up.
  port.postMessage([]);
  pollLoop(
    {
      system,
      poller,
      shared: new SharedThreadState(shared),
      takeCommand,
      post: (outcomes) => port.postMessage(outcomes),
      now: monotonicNowMs,
    },
    lingerMs,
  );
  port.close();
}
