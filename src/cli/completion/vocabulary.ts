import type { CommandEntry } from '../command.js';
import { takesValue } from '../option.js';
import { optionsOf } from '../parse.js';

/** An option, as shells complete it. */
export interface KnownOption {
  /** With its dashes. */
  readonly name: string;
  /** With its dash. */
  readonly short: string | undefined;
  readonly help: string;
  readonly isRepeatable: boolean;
  /** The value that follows it. */
  readonly value: 'none' | 'any' | 'path' | readonly string[];
}

/** A command, as shells complete it. */
export interface KnownCommand {
  readonly name: string;
  readonly summary: string;
  /** The words that may follow its name, by position. */
  readonly words: readonly (readonly string[])[];
  readonly options: readonly KnownOption[];
}

/** All commands with all that may follow them. */
export function vocabulary(commands: readonly CommandEntry[]): Promise<KnownCommand[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const command = await load();
      const options = Object.entries(optionsOf(command)).map(([option, definition]): KnownOption => ({
        name: `--${option}`,
        short: definition.short === undefined ? undefined : `-${definition.short}`,
        help: definition.help,
        isRepeatable: definition.kind === 'list',
        value: takesValue(definition)
          ? (definition.choices ?? (definition.isPath === true ? 'path' : 'any'))
          : 'none',
      }));
      const words = (command.parameters ?? []).map(({ choices = [] }) => choices);
      return { name, summary, words, options };
    }),
  );
}

/** The first word of each command, with the second words where it has several. */
export function firstWords(commands: readonly KnownCommand[]): Map<string, KnownCommand[]> {
  const groups = new Map<string, KnownCommand[]>();
  for (const command of commands) {
    const first = command.name.split(' ')[0] ?? '';
    groups.set(first, [...(groups.get(first) ?? []), command]);
  }
  return groups;
}

/** Whether a command is one of several behind its first word. */
export function secondWord({ name }: KnownCommand): string | undefined {
  return name.split(' ')[1];
}
