import { parseArgs, type ParseArgsConfig } from 'node:util';

/** A subcommand of `broker-pool`. */
export interface Command {
  /** What `--help` prints. */
  readonly usage: string;
  /** Returns the exit code of the process. */
  readonly run: (parameters: string[]) => Promise<number>;
}

/** The command line itself is wrong: reported in one line, with exit code 2. */
export class UsageError extends Error {}

/**
 * `parseArgs` whose complaints are {@link UsageError}s. Positionals are refused unless the configuration
 * allows them.
 */
export function parseParameters<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')) {
      throw new UsageError(error.message, { cause: error });
    }
    throw error;
  }
}

/** The value of an option that is a whole number. */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`${option} must be a whole number from ${least} up, not ${JSON.stringify(text)}`);
}

/**
 * An endpoint as users type it: on Linux `@name` is an abstract name, since its first character, NUL, cannot
 * be typed.
 */
export function endpointArgument(text: string): string {
  return process.platform === 'linux' && text.startsWith('@') ? `\0${text.slice(1)}` : text;
}

/** An endpoint as {@link endpointArgument} takes it. */
export function shownEndpoint(endpoint: string): string {
  return endpoint.replace(/^\0/, '@');
}

/** One line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
