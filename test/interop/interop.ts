import test from '../helpers/sanitary.js';
import { buildInteropProgram } from './real-broker.js';

const built = buildInteropProgram();

/** The path of the Rust program. Empty where it is missing, and then every interop test is skipped. */
export const program = 'program' in built ? built.program : '';

if ('missing' in built)
  console.error(
    `\n*** INTEROP TESTS SKIPPED: ${built.missing}. Nothing here was checked against the real broker. ***\n`,
  );

/** `test.serial`, or a skip that shows in the summary where the real broker cannot be had. */
export const interopTest = 'missing' in built ? test.skip : test.serial;
