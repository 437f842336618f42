import { parseArgs } from 'node:util';
import { didYouMean } from '../did-you-mean.js';
import { escaped } from '../errors.js';
import { quoted } from '../validation.js';
import { UsageError, type Command, type CommandInput } from './command.js';
import { flag, takesValue, type Flag, type OptionDefinitions, type ValueOption } from './option.js';

/** The options that every command has. */
function commonOptions(command: Pick<Command, 'json'>): OptionDefinitions {
  return { json: flag(command.json), help: flag('show this text', { short: 'h' }) };
}

/** All options of a command, in the order of its `--help`. */
export function optionsOf(command: Command): OptionDefinitions {
  return { ...command.options, ...commonOptions(command) };
}

/** An option as it was given. */
interface GivenOption {
  /** As the user wrote it. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly isInline: boolean;
}

/**
 * Reads the words behind the name of a command.
 *
 * @throws {UsageError} for options and words that the command does not have, and for wrong values
 */
export function parseCommandLine(
  command: Command,
  words: readonly string[],
): Pick<CommandInput<OptionDefinitions>, 'words' | 'values'> {
  const options = optionsOf(command);
  const { tokens } = parseArgs({
    args: [...words],
    // The errors are made here, not by the parser: they name the option that was probably meant.
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, option]) => [
        name,
        {
          type: takesValue(option) ? ('string' as const) : ('boolean' as const),
          ...(option.short !== undefined && { short: option.short }),
        },
      ]),
    ),
  });
  const values: Record<string, unknown> = emptyValues(options);
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw unknownOption(token.rawName, options);
    const given = { rawName: token.rawName, value: token.value, isInline: token.inlineValue === true };
    if (option.kind === 'list')
      values[token.name] = [...listed(values[token.name]), readGiven(option, given)];
    else values[token.name] = readGiven(option, given);
  }
  return { words: checkWords(command, positionals), values: { ...values, json: values['json'] === true } };
}

function emptyValues(options: OptionDefinitions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { kind }]) => [
      name,
      { flag: false, list: [], value: undefined }[kind],
    ]),
  );
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function readGiven(option: Flag | ValueOption, { rawName, value, isInline }: GivenOption): unknown {
  if (!takesValue(option)) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value, not even ${quoted(value)}`);
    return true;
  }
  const needed = `${rawName} needs a value, ${option.placeholder}`;
  if (value === undefined) throw new UsageError(needed);
  if (!isInline && /^-./.test(value))
    throw new UsageError(
      `${needed}; if it is to be ${quoted(value)}, write ${escaped(`${rawName}=${value}`)}`,
    );
  return option.read(rawName, value);
}

function unknownOption(rawName: string, options: OptionDefinitions): UsageError {
  const known = Object.keys(options).map((name) => `--${name}`);
  return new UsageError(`unknown option ${quoted(rawName)}${didYouMean(rawName, known)}`);
}

function checkWords({ parameters = [] }: Command, words: readonly string[]): readonly string[] {
  const missing = parameters[words.length];
  if (missing !== undefined && missing.isOptional !== true)
    throw new UsageError(`${missing.name} is missing`);
  const surplus = words[parameters.length];
  if (surplus !== undefined) throw new UsageError(`unexpected ${quoted(surplus)}`);
  return words;
}
