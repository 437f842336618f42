import { constants } from 'node:os';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGPIPE', 'SIGTERM'] as const;
/** What shells add to the number of the signal that ended a command. */
const SIGNAL_EXIT = 128;
const SIGPIPE = 13;
const EXIT_FAILED = 1;

/**
 * Ends the process without a stack trace on a signal, when the reader of its output is gone, and when the
 * output cannot be written. Exit listeners clean up, for a command can be interrupted at any point.
 */
export function endQuietly(): void {
  for (const signal of SIGNALS)
    process.on(signal, () => process.exit(SIGNAL_EXIT + constants.signals[signal]));
  process.stdout.on('error', onOutputError);
  // There is no output left to report it on.
  process.stderr.on('error', () => {});
}

function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(SIGNAL_EXIT + SIGPIPE);
  console.error(`broker-pool: cannot write the output: ${error.message}`);
  process.exit(EXIT_FAILED);
}
