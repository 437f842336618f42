import type { Environment } from '../broker-options/environment.js';
import type { Readable, Writable } from 'node:stream';
import type { OptionDefinitions, ValuesOf } from './option.js';

/** An output of a command: a stream, and perhaps a terminal. */
export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** The streams of a command: those of the process, or of a test. */
export interface CommandIo {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  /** Aborts when the user interrupts the command: it then gives its connections back, and returns or throws. */
  readonly signal: AbortSignal;
}

/** A word of the command line that belongs to no option. */
export interface Parameter {
  /** In capitals. */
  readonly name: string;
  readonly help: string;
  readonly isOptional?: boolean;
  /** The words that it may be. */
  readonly choices?: readonly string[];
}

/** The arguments of a command. */
export interface CommandInput<Options extends OptionDefinitions> {
  /** The words for `parameters`, as many as were given. */
  readonly words: readonly string[];
  /** The values of the options by their names. */
  readonly values: ValuesOf<Options> & { readonly json: boolean };
  /** All commands there are. */
  readonly commands: readonly CommandEntry[];
}

/** A command before its file is loaded. */
export interface CommandEntry {
  /** As in its definition. */
  readonly name: string;
  /** In lower case, without a full stop. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/**
 * A command as its file defines it: the one table that parsing, `--help`, completion and docs/cli.md are made
 * from. Its file loads fast: `run` imports what the command needs.
 */
export interface CommandDefinition<Options extends OptionDefinitions> {
  /** The words that call it. */
  readonly name: string;
  /** A paragraph above the options. */
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly options: Options;
  /** How `--json` changes the output. */
  readonly json: string;
  /** A paragraph below the options. */
  readonly notes?: string;
  /** Returns the exit code of the process. */
  readonly run: (input: CommandInput<Options>, io: CommandIo) => Promise<number>;
}

/** Any command. */
export interface Command extends Omit<CommandDefinition<OptionDefinitions>, 'run'> {
  run(input: CommandInput<OptionDefinitions>, io: CommandIo): Promise<number>;
}

/** Gives `run` the types of its values. */
export function defineCommand<const Options extends OptionDefinitions>(
  definition: CommandDefinition<Options>,
): CommandDefinition<Options> {
  return definition;
}

/** The command line itself is wrong: reported in one line, with the exit code of wrong usage. */
export class UsageError extends Error {}

/** The command failed with an exit code that the error does not tell by itself. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** One line of text. */
export function printLine(output: Output, text: string): void {
  output.write(`${text}\n`);
}

/** One line of JSON; 64-bit numbers become numbers. */
export function printJson(output: Output, value: unknown): void {
  const plain = (_name: string, part: unknown): unknown => (typeof part === 'bigint' ? Number(part) : part);
  output.write(`${JSON.stringify(value, plain)}\n`);
}
