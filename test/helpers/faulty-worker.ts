/** A wait thread, one of whose system calls fails as a file says. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import { PollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import { SharedThreadState, type ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';
import negotiate from '../../workers/negotiator.js';
import { Injector, type Fault } from './faulty-system.js';

/** The variable that names the file; worker threads copy the environment when they start. */
export const FAULT_FILE_VARIABLE = 'BROKER_POOL_TEST_FAULT_FILE';

/** The file that appears beside it when the fault has occurred. */
export function injectedFile(faultFile: string): string {
  return `${faultFile}.injected`;
}

export default function negotiateWithFault(task: ThreadTask): void {
  const file = process.env[FAULT_FILE_VARIABLE] ?? '';
  // The thread after one that has died of its fault.
  if (existsSync(injectedFile(file))) return negotiate(task);
  const fault: Fault = JSON.parse(readFileSync(file, 'utf8'));
  const injector = new Injector(fault);
  try {
    run(task, injector);
  } finally {
    if (injector.injected) writeFileSync(injectedFile(file), '');
  }
}

function run({ port, handles, shared, lingerMs }: ThreadTask, injector: Injector): void {
  const native = loadNative();
  if (native === undefined) throw new Error('no FFI');
  new PollLoop(
    injector.system(native.system),
    injector.poller(attachPoller(injector.polling(native.polling), handles)),
    new SharedThreadState(shared),
    {
      take: () => receiveMessageOnPort(port)?.message,
      post: (outcomes) => port.postMessage(outcomes),
    },
  ).run(lingerMs);
  port.close();
}
