/** A wait thread, one of whose system calls fails as a file says. */
import { readFileSync, writeFileSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import { monotonicNowMs } from '../../src/clock.js';
import { runWaitLoop } from '../../src/negotiation/wait-loop.js';
import { SharedWaitState, type WaitTask } from '../../src/negotiation/wait-protocol.js';
import { loadNative } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';
import { Injector, type Fault } from './faulty-system.js';

/** The variable that names the file; worker threads copy the environment when they start. */
export const FAULT_FILE_VARIABLE = 'BROKER_POOL_TEST_FAULT_FILE';

/** The file that appears beside it when the fault has occurred. */
export function injectedFile(faultFile: string): string {
  return `${faultFile}.injected`;
}

export default function negotiateWithFault({ port, handles, shared, lingerMs }: WaitTask): void {
  const native = loadNative();
  if (native === undefined) throw new Error('no FFI');
  const file = process.env[FAULT_FILE_VARIABLE] ?? '';
  const fault: Fault = JSON.parse(readFileSync(file, 'utf8'));
  const injector = new Injector(fault);
  runWaitLoop(
    {
      system: injector.system(native.system),
      poller: injector.poller(attachPoller(native.polling, handles)),
      shared: new SharedWaitState(shared),
      takeCommand: () => receiveMessageOnPort(port)?.message,
      post: (outcomes) => port.postMessage(outcomes),
      now: monotonicNowMs,
    },
    lingerMs,
  );
  if (injector.injected) writeFileSync(injectedFile(file), '');
  port.close();
}
