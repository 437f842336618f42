import type { Readable, Writable } from 'node:stream';
import type { OptionDefinitions, ValuesOf } from './option.js';

/** An output of a command: a stream, and perhaps a terminal. */
export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What a command reads and writes: the streams of the process, or those of a test. */
export interface CommandIo {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user interrupts the command: it then gives back what it holds, and returns or throws. */
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

/** What a command is given. */
export interface CommandInput<Options extends OptionDefinitions> {
  /** The words for `parameters`, as many as were given. */
  readonly words: readonly string[];
  /** The values of the options by their names. */
  readonly values: ValuesOf<Options> & { readonly json: boolean };
}

/**
 * A command as its file defines it: the one table that parsing, `--help`, completion and docs/cli.md are made
 * from. Its file loads fast: `run` imports what the command needs.
 */
export interface CommandDefinition<Options extends OptionDefinitions> {
  /** The words that call it. */
  readonly name: string;
  /** Paragraphs above the options; their line ends are kept. */
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly options: Options;
  /** How `--json` changes the output. */
  readonly json: string;
  /** Paragraphs below the options. */
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

/** One line of text. */
export function printLine(output: Output, text: string): void {
  output.write(`${text}\n`);
}

/** One line of JSON. */
export function printJson(output: Output, value: unknown): void {
  output.write(`${JSON.stringify(value)}\n`);
}
