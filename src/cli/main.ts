#!/usr/bin/env node
import { closeEndedOutput, endFromOutside, endOnFaults } from './ending.js';
import { runCommandLine } from './run.js';

const { stdout, stderr, env, argv } = process;
endOnFaults();
closeEndedOutput();
const { signal, exitCode } = endFromOutside();
process.exitCode = exitCode(
  await runCommandLine(argv.slice(2), {
    // Opened where a command reads it.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    env,
    signal,
  }),
);
