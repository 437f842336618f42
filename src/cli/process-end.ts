import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { systemClock } from '../clock.js';
import { debug } from '../debug-log.js';
import { escaped, textOf } from '../errors.js';
import { ExitCode } from './exit-codes.js';

/** Without SIGPIPE: with a listener, each client that leaves early would end a server. */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
/** How long an interrupted command may take to end by itself: to read the reply that a broker owes it. */
const GRACE_MS = 1_500;
const SIGPIPE = 13;

/** The end of a command from outside. */
export interface Interruption {
  /** Aborts when the command is to end. */
  readonly signal: AbortSignal;
  /** The exit code of the process: that of the interruption, unless the command succeeded in spite of it. */
  readonly exitCode: (code: number) => number;
}

/**
 * The first signal, and an output that cannot be written, tell the command to end: it gives its connections back,
 * and leaves no broker in the middle of a Hello. A second signal ends the process at once. There is no stack trace,
 * and exit listeners clean up.
 */
export function endFromOutside(): Interruption {
  const controller = new AbortController();
  let endedWith: number | undefined;
  let isDoneWell = true;
  const end = (exitCode: number): void => {
    endedWith = exitCode;
    process.exitCode = exitCode;
    systemClock.schedule(GRACE_MS, () => process.exit(exitCode));
    controller.abort();
  };
  for (const name of SIGNALS) {
    process.on(name, () => {
      const exitCode = ExitCode.SIGNAL + constants.signals[name];
      if (endedWith === undefined) end(exitCode);
      else process.exit(exitCode);
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    isDoneWell = false;
    // Each write that was under way fails by itself.
    if (endedWith !== undefined) return;
    const hasLeft = error.code === 'EPIPE';
    if (!hasLeft) console.error(`broker-pool: cannot write the output: ${error.message}`);
    end(hasLeft ? ExitCode.SIGNAL + SIGPIPE : ExitCode.FAILED);
  });
  // There is no output left to report it on.
  process.stderr.on('error', () => {});
  return {
    signal: controller.signal,
    exitCode: (code) => (code === ExitCode.DONE && isDoneWell ? code : (endedWith ?? code)),
  };
}

/** Reports an error that no command has caught in one line; its stack, for reports of faults, with `NODE_DEBUG`. */
export function endOnFaults(): void {
  process.on('uncaughtException', (error: unknown) => {
    const message = textOf(error);
    console.error(
      `broker-pool: a fault of broker-pool itself: ${escaped(message)}; NODE_DEBUG=broker-pool shows where`,
    );
    // The message may hold text of a peer.
    debug(() => stackOf(error).split('\n').map(escaped).join('\n'));
    process.exit(ExitCode.FAILED);
  });
}

function stackOf(error: unknown): string {
  return error instanceof Error && typeof error.stack === 'string' ? error.stack : textOf(error);
}

/**
 * Shows warnings of the package in one line, as errors are; those of Node as Node does.
 *
 * @param isSilent for a command that reports itself what they say
 */
export function showWarnings(isSilent: boolean): void {
  const ofNode = process.listeners('warning');
  // Node has none where the user wants no warnings.
  if (ofNode.length === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'BrokerPoolWarning') for (const show of ofNode) show(warning);
    else if (!isSilent) console.error(`broker-pool: warning: ${escaped(warning.message)}`);
  });
}

/** Closes the descriptor of an output that ends: Node leaves it open, and the reader would wait for the process. */
export function closeEndedOutput(): void {
  const { stdout, platform } = process;
  stdout.once('finish', () => {
    if (platform === 'win32' || stdout.isTTY) return;
    closeSync(stdout.fd);
    // The null device takes the number, which no other file may get.
    openSync('/dev/null', 'w');
  });
}
