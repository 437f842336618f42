import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Collects garbage now, and lets finalizers run. */
export async function collectGarbage(): Promise<void> {
  if (typeof collect !== 'function') throw new Error('this Node cannot collect garbage on demand');
  collect();
  // What was referred to by the turn just gone may be garbage only now, and finalizers run in turns of their
  // own.
  for (let round = 0; round < 3; round++) await turn();
  collect();
  await turn();
}
