import { didYouMean } from '../did-you-mean.js';
import { LIBRARY_VERSION } from '../version.js';
import { quoted } from '../validation.js';
import { printJson, printLine, UsageError, type CommandEntry, type CommandIo } from './command.js';
import { COMMANDS } from './commands.js';
import { ExitCode, exitCodeOf } from './exit-codes.js';
import { overview, usageOf } from './help.js';
import { parseCommandLine } from './parse.js';
import { report } from './report.js';

/**
 * Runs a command line.
 *
 * @param words those behind the name of the program
 * @returns the exit code
 */
export async function runCommandLine(words: readonly string[], io: CommandIo): Promise<number> {
  const json = hasOption(words, '--json');
  const [first = '--help', ...behind] = words;
  if (first === 'help') {
    const namesCommand = behind[0]?.startsWith('-') === false;
    return await runCommandLine(namesCommand ? [...behind, '--help'] : ['--help', ...behind], io);
  }
  if (isHelp(first)) return printHelp(io, overview(COMMANDS), json);
  if (first === '--version') return printVersion(io, json);
  const found = findCommand(words);
  if (found === undefined) {
    report(unknownCommand(words), '', json, io);
    return ExitCode.USAGE;
  }
  try {
    const command = await found.entry.load();
    if (hasOption(found.rest, '--help', '-h')) return printHelp(io, usageOf(command), json);
    return await command.run({ ...parseCommandLine(command, found.rest), commands: COMMANDS }, io);
  } catch (error) {
    // The user has ended the command, and needs no explanation.
    if (io.signal.aborted) return ExitCode.FAILED;
    report(error, found.entry.name, json, io);
    return exitCodeOf(error);
  }
}

/** The command that the first words name, and the words behind its name. */
function findCommand(words: readonly string[]): { entry: CommandEntry; rest: string[] } | undefined {
  for (const entry of COMMANDS) {
    const name = entry.name.split(' ');
    if (name.every((word, index) => word === words[index])) return { entry, rest: words.slice(name.length) };
  }
  return undefined;
}

function unknownCommand(words: readonly string[]): UsageError {
  const [first = '', second] = words;
  const below = COMMANDS.map(({ name }) => name.split(' '))
    .filter(([word, next]) => word === first && next !== undefined)
    .map(([, next = '']) => next);
  if (below.length > 0) {
    const choice = `${first} ${below.join(` or ${first} `)}`;
    if (second === undefined || second.startsWith('-')) return new UsageError(`say which: ${choice}`);
    return new UsageError(`unknown command ${quoted(`${first} ${second}`)}; there is ${choice}`);
  }
  const known = [...new Set(COMMANDS.map(({ name }) => name.split(' ')[0] ?? ''))];
  return new UsageError(`unknown command ${quoted(first)}${didYouMean(first, known)}`);
}

/** Words behind `--` are no options. */
function hasOption(words: readonly string[], ...names: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end < 0 ? words.length : end).some((word) => names.includes(word));
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

/** To the output: the user asked for it. */
function printHelp({ stdout }: CommandIo, help: string, json: boolean): number {
  if (json) printJson(stdout, { help });
  else stdout.write(help);
  return ExitCode.DONE;
}

function printVersion({ stdout }: CommandIo, json: boolean): number {
  if (json)
    printJson(stdout, { version: LIBRARY_VERSION, node: process.version, platform: process.platform });
  else printLine(stdout, LIBRARY_VERSION);
  return ExitCode.DONE;
}
