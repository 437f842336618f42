import { bashScript } from './bash.js';
import { fishScript } from './fish.js';
import type { KnownCommand } from './vocabulary.js';
import { zshScript } from './zsh.js';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** The script for a shell, which it runs when it starts. */
export function scriptFor(shell: keyof typeof SCRIPTS, commands: readonly KnownCommand[]): string {
  return SCRIPTS[shell](commands);
}
