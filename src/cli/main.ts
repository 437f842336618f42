#!/usr/bin/env node
import { closeEndedOutput, endBySignals, endOnFaults, endOnOutputErrors } from './ending.js';
import { runCommandLine } from './run.js';

const { stdin, stdout, stderr, env, argv } = process;
endOnOutputErrors();
endOnFaults();
closeEndedOutput();
const { signal, exitCode } = endBySignals();
process.exitCode = exitCode(
  await runCommandLine(argv.slice(2), {
    // Opened where a command reads it.
    get stdin() {
      return stdin;
    },
    stdout,
    stderr,
    env,
    signal,
  }),
);
