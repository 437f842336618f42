import { BrokerPoolError } from '../errors.js';
import { LONGEST_TIMER_MS } from '../clock.js';
import { warnOfVariable } from '../process-warning.js';
import { quoted } from '../validation.js';

/** Environment variables by name; unset ones are missing or `undefined`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The names of the environment variables that this package reads. */
export const EnvironmentVariables = Object.freeze({
  /** `1` switches the broker off, for callers that ask `brokerDisabledByEnv`. */
  DISABLE: 'RUNNING_PROCESS_DISABLE',
  /** The endpoint that `testSeams` puts in place of broker and cache. */
  FAKE_BACKEND: 'RUNNING_PROCESS_FAKE_BACKEND',
  /** The limit for a round trip with the broker, in milliseconds. */
  CLIENT_TIMEOUT_MS: 'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
  /** Linux: the directory that derived endpoints lie in. */
  RUNTIME_DIRECTORY: 'XDG_RUNTIME_DIR',
  /** macOS: the directory that derived endpoints lie in. */
  TEMPORARY_DIRECTORY: 'TMPDIR',
  /** `0` does without the C library. */
  FFI: 'BROKER_POOL_FFI',
  /** `0` does without io_uring. */
  IO_URING: 'BROKER_POOL_IO_URING',
} as const);

const { DISABLE, FAKE_BACKEND, CLIENT_TIMEOUT_MS: CLIENT_TIMEOUT } = EnvironmentVariables;

const DEFAULT_CLIENT_TIMEOUT_MS = 30_000;
const LARGEST_U64 = 2n ** 64n - 1n;

/**
 * Whether the user has switched the broker off: `RUNNING_PROCESS_DISABLE` is `1`. Callers that can work
 * without a broker ask this first; `connectToBackend` does not ask.
 *
 * @throws `BROKER_DISABLE_ENV` for any other value, the empty string, `0` and `true` included: a typo must
 * not decide whether the broker is used.
 */
export function brokerDisabledByEnv(env: Environment = process.env): boolean {
  // C-20. By C-21 only callers ask.
  const value = env[DISABLE];
  if (value === undefined) return false;
  if (value === '1') return true;
  throw new BrokerPoolError('BROKER_DISABLE_ENV', `${DISABLE} must be unset or 1, got ${quoted(value)}`);
}

/**
 * How long a round trip with the broker may take, in milliseconds: `RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS`
 * where that is a whole number above 0, else 30 000. Read anew on every call. Numbers beyond what a
 * timer takes become the longest timer, about 24.8 days. Any other value of the process's own environment is
 * a process warning, once: an error would make programs fail that run with the Rust client.
 */
export function clientTimeoutFromEnv(env: Environment = process.env): number {
  const text = env[CLIENT_TIMEOUT]?.trim() ?? '';
  if (text === '') return DEFAULT_CLIENT_TIMEOUT_MS;
  // C-28: only a whole number above 0 counts.
  const milliseconds = /^\+?\d+$/.test(text) ? BigInt(text.replace('+', '')) : 0n;
  if (milliseconds > 0n && milliseconds <= LARGEST_U64)
    return Math.min(Number(milliseconds), LONGEST_TIMER_MS);
  if (env === process.env) {
    warnOfVariable(
      CLIENT_TIMEOUT,
      text,
      `it must be a whole number of milliseconds above 0, so the default of ${DEFAULT_CLIENT_TIMEOUT_MS} is in force`,
    );
  }
  return DEFAULT_CLIENT_TIMEOUT_MS;
}

/**
 * The endpoint that tests put in place of broker and cache, from `RUNNING_PROCESS_FAKE_BACKEND`; unset and
 * empty mean none. Where the broker is switched off, there is no such endpoint either. An *invalid* value of
 * `RUNNING_PROCESS_DISABLE` does not switch it off, nor throw, as in the Rust client.
 */
export function fakeBackendFromEnv(env: Environment = process.env): string | undefined {
  // C-22, C-24 to C-26: the same values as in the Rust client, so that one environment serves tests of both.
  return env[DISABLE] === '1' ? undefined : env[FAKE_BACKEND] || undefined;
}
