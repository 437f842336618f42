#!/usr/bin/env node
import { closeEndedOutput, endFromOutside, endOnFaults, showWarnings } from './ending.js';
import { openInput } from './input.js';
import { runCommandLine } from './run.js';

const { stdout, stderr, env, argv } = process;
endOnFaults();
// Its findings say the same, and what to do.
showWarnings(argv[2] === 'doctor');
closeEndedOutput();
const { signal, exitCode } = endFromOutside();
process.exitCode = exitCode(
  await runCommandLine(argv.slice(2), {
    // Opened where a command reads it.
    get stdin() {
      return openInput();
    },
    stdout,
    stderr,
    env,
    signal,
  }),
);
