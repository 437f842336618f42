#!/usr/bin/env node
import { closeEndedOutput, endFromOutside, endOnFaults, showWarnings } from './process-end.js';
import { ExitCode } from './exit-codes.js';
import { openInput } from './input.js';
import { runCommandLine } from './run.js';

const { stdout, stderr, env, argv } = process;
endOnFaults();
// The findings of `doctor` repeat the warnings, with advice.
showWarnings(argv[2] === 'doctor');
closeEndedOutput();
const { signal, exitCode } = endFromOutside();
// The exit code of a command that never ends although nothing is left to wait for.
process.exitCode = ExitCode.FAILED;
// Not awaited: in the published package other modules import this one, and would wait for it.
void run();

async function run(): Promise<void> {
  const code = await runCommandLine(argv.slice(2), {
    // Opened where a command reads it.
    get stdin() {
      return openInput();
    },
    stdout,
    stderr,
    env,
    signal,
  });
  process.exitCode = exitCode(code);
}
