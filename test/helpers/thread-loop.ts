import { receiveMessageOnPort } from 'node:worker_threads';
import { PollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  type ThreadCommand,
  type ThreadTask,
} from '../../src/negotiation/wait-thread/thread-protocol.js';
import type { SystemCalls } from '../../src/os/native.js';
import type { Poller } from '../../src/os/poller-kinds.js';

/** One session of a wait thread over the given calls of the system. `onStart` is called with each job that begins. */
export function runThreadLoop(
  { port, shared, lingerMs }: ThreadTask,
  system: SystemCalls,
  poller: Poller,
  onStart: () => void = () => {},
): void {
  const take = (): ThreadCommand | undefined => {
    const command: ThreadCommand | undefined = receiveMessageOnPort(port)?.message;
    if (command?.kind === 'start') onStart();
    return command;
  };
  // The main thread waits for a first message where it warms the thread up.
  port.postMessage([]);
  const commands = { take, post: (outcomes: unknown) => port.postMessage(outcomes) };
  new PollLoop(system, poller, new SharedThreadState(shared), commands).run(lingerMs);
  port.close();
}
