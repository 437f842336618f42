import type { Command } from './command.js';
import { exitCodeTable } from './exit-codes.js';
import { takesValue, type Flag, type ValueOption } from './option.js';
import { optionsOf } from './parse.js';

const WIDTH = 100;

/** The first line of a command's `--help`. */
function synopsis({ name, parameters = [] }: Command): string {
  const words = parameters.map((parameter) =>
    parameter.isOptional === true ? `[${parameter.name}]` : parameter.name,
  );
  return ['broker-pool', name, ...words, '[options]'].join(' ');
}

/** The text of `--help` for a command. */
export function usageOf(command: Command): string {
  const rows: Row[] = [
    ...(command.parameters ?? []).map(({ name, help, choices }): Row => [name, withChoices(help, choices)]),
    ...Object.entries(optionsOf(command)).map(([name, option]): Row => [
      optionTitle(name, option),
      takesValue(option) ? withChoices(option.help, option.choices) : option.help,
    ]),
  ];
  const parts = [synopsis(command), paragraph(command.description), columns(rows)];
  if (command.notes !== undefined) parts.push(paragraph(command.notes));
  return `${parts.join('\n\n')}\n`;
}

/** The text of `broker-pool --help`. */
export function overview(commands: readonly { readonly name: string; readonly summary: string }[]): string {
  const rows = commands.map(({ name, summary }): Row => [name, summary]);
  const parts = [
    'broker-pool COMMAND [options]',
    'Connections to the backends of a running-process broker.',
    columns(rows),
    columns([
      ['-h, --help', 'this text; after a command, what it does and its options'],
      ['--version', 'the version of the package'],
    ]),
    paragraph(
      'Every command takes --json, beside --help too. Results go to the output, all else to the error output. ' +
        'On Linux, @name means a socket in the abstract namespace.',
    ),
    `Exit codes:\n\n${columns(exitCodeTable().map(({ code, meaning }): Row => [code, meaning]))}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** A title, and the text beside it. */
type Row = readonly [title: string, text: string];

function optionTitle(name: string, option: Flag | ValueOption): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  return `${short}--${name}${takesValue(option) ? ` ${option.placeholder}` : ''}`;
}

function withChoices(help: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? help : `${help}: ${choices.join(', ')}`;
}

/** Two columns; the second is wrapped. */
export function columns(rows: readonly Row[]): string {
  const left = Math.max(...rows.map(([title]) => title.length)) + 4;
  return rows
    .flatMap(([title, text]) =>
      wrapped(text, WIDTH - left).map((line, index) => (index === 0 ? `  ${title}` : '').padEnd(left) + line),
    )
    .join('\n');
}

function paragraph(text: string): string {
  return wrapped(text, WIDTH).join('\n');
}

/** The lines of a text. A word that is longer than a line is not broken. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
