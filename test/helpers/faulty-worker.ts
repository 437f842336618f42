/** A wait thread, one of whose system calls fails as a file says when a job starts. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';
import { Injector, type Fault } from './faulty-system.js';
import { runThreadLoop } from './thread-loop.js';

/** The variable that names the file; worker threads copy the environment when they start. */
export const FAULT_FILE_VARIABLE = 'BROKER_POOL_TEST_FAULT_FILE';

/** The file that appears beside it when the fault has occurred. */
export function injectedFile(faultFile: string): string {
  return `${faultFile}.injected`;
}

export default function negotiateWithFaults(task: ThreadTask): void {
  const file = process.env[FAULT_FILE_VARIABLE] ?? '';
  const native = loadNative();
  if (native === undefined) throw new Error('no FFI');
  const injector = new Injector(undefined, () => writeFileSync(injectedFile(file), ''));
  const poller = attachPoller(injector.polling(native.polling), task.handles);
  runThreadLoop(task, injector.system(native.system), injector.poller(poller), () =>
    injector.arm(faultFor(file)),
  );
}

/** The fault that the file asks for, unless it has occurred: a thread may have died of it. */
function faultFor(file: string): Fault | undefined {
  if (!existsSync(file) || existsSync(injectedFile(file))) return undefined;
  const fault: Fault = JSON.parse(readFileSync(file, 'utf8'));
  return fault;
}
