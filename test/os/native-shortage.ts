/**
 * Loads the C library when no descriptor is free, and again when there are some. Prints whether it was there
 * each time.
 */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { loadNative } from '../../src/os/native.js';

const taken: number[] = [];
try {
  for (;;) taken.push(openSync(devNull, 'r'));
} catch {
  // None is left.
}
const before = loadNative() !== undefined;
for (const descriptor of taken) closeSync(descriptor);
process.stdout.write(`${before} ${loadNative() !== undefined}`);
