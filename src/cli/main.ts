#!/usr/bin/env node
import { endBySignals, endOnOutputErrors } from './ending.js';
import { runCommandLine } from './run.js';

const { stdin, stdout, stderr, env, argv } = process;
endOnOutputErrors();
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
