import { onAbort } from '../../abort.js';
import type { CommandIo } from '../command.js';

/** Settles when the user ends the command. */
export function untilInterrupted({ signal }: Pick<CommandIo, 'signal'>): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else onAbort(signal, resolve);
  });
}
