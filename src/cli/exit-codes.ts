import { BrokerPoolError, type ErrorCode } from '../errors.js';
import { CommandFailure, UsageError } from './command.js';

/** Every exit code of `broker-pool` but those of signals; the list is closed. */
export const ExitCode = Object.freeze({
  DONE: 0,
  FAILED: 1,
  USAGE: 2,
  UNREACHABLE: 3,
  REFUSED: 4,
  TIMEOUT: 5,
  BROKEN_ANSWER: 6,
  /** And the number of the signal. */
  SIGNAL: 128,
} as const);

/** The exit codes with their meaning, for `--help` and docs/cli.md. */
export function exitCodeTable(): { code: string; meaning: string }[] {
  return [
    { code: '0', meaning: 'done' },
    { code: '1', meaning: 'failed in a way that has no code of its own' },
    { code: '2', meaning: 'wrong usage: unknown command or option, or a value that cannot work' },
    {
      code: '3',
      meaning: 'no program answers there, or another user owns it: broker, backend, identity file',
    },
    { code: '4', meaning: 'the broker refused' },
    { code: '5', meaning: 'a time limit was reached' },
    { code: '6', meaning: 'the peer hung up, or its answer is not of the protocol' },
    {
      code: '128 + n',
      meaning: 'ended by signal n: 130 after Ctrl-C, 141 when the reader of the output left',
    },
    { code: 'others', meaning: 'of admin: the exit code in the answer of the broker' },
  ];
}

type Code = Exclude<(typeof ExitCode)[keyof typeof ExitCode], 0 | 128>;

const { FAILED, USAGE, UNREACHABLE, REFUSED, TIMEOUT, BROKEN_ANSWER } = ExitCode;

const BY_ERROR: Readonly<Record<ErrorCode, Code>> = {
  ABORTED: FAILED,
  BACKEND_CONNECT: UNREACHABLE,
  BACKEND_START: FAILED,
  BROKER_CONNECT: UNREACHABLE,
  BROKER_DISABLED: FAILED,
  BROKER_DISABLE_ENV: USAGE,
  DECODE_ADMIN_REPLY: BROKEN_ANSWER,
  DECODE_FRAME: BROKEN_ANSWER,
  DECODE_HELLO_REPLY: BROKEN_ANSWER,
  DEFINITION_NOT_WRITTEN: FAILED,
  EMPTY_BACKEND_PIPE: BROKEN_ANSWER,
  ENDPOINT_IN_USE: FAILED,
  FRAME_IO: BROKEN_ANSWER,
  FRAME_TOO_LARGE: BROKEN_ANSWER,
  FRAMING_VERSION: BROKEN_ANSWER,
  IDENTITY_FILE: UNREACHABLE,
  IDENTITY_MISMATCH: UNREACHABLE,
  INVALID_ARGUMENT: USAGE,
  MISSING_HELLO_REPLY_RESULT: BROKEN_ANSWER,
  POOL_CLEARED: FAILED,
  POOL_CLOSED: FAILED,
  PUBLISH_FAILED: FAILED,
  QUEUE_FULL: FAILED,
  REFUSED,
  REQUEST_FAILED: FAILED,
  SESSION_CLOSED: FAILED,
  TIMEOUT,
  UNEXPECTED_EOF: BROKEN_ANSWER,
  UNEXPECTED_RESPONSE_FRAME: BROKEN_ANSWER,
  UNSUPPORTED_RUNTIME: FAILED,
  VALIDATION_FAILED: FAILED,
  WORKER_FAILED: FAILED,
};

/** The exit code of a command that fails with this error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return USAGE;
  if (error instanceof CommandFailure) return error.exitCode;
  if (!(error instanceof BrokerPoolError)) return FAILED;
  // A request that is too long to be sent: nothing has answered.
  if (error.code === 'FRAME_TOO_LARGE' && error.attempts === 0) return USAGE;
  return BY_ERROR[error.code];
}
