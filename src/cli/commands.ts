import type { Command } from './command.js';

/** A command before its file is loaded. */
export interface CommandEntry {
  /** As in its definition. */
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/**
 * Every command. Each is loaded when it is called, or asked for its usage: most need only a part of the
 * package.
 */
export const COMMANDS: readonly CommandEntry[] = [
  entry(
    'demo',
    'measures connections by every route, with a broker and a backend of its own',
    async () => (await import('./demo.js')).demo,
  ),
  entry(
    'admin',
    'asks a broker: STATUS, HEALTHZ, READYZ, METRICS, CONFIG, ...',
    async () => (await import('./admin.js')).admin,
  ),
  entry('endpoint', 'prints where your broker listens', async () => (await import('./endpoint.js')).endpoint),
  entry(
    'doctor',
    'looks for what keeps clients from connecting, and says what to do',
    async () => (await import('./doctor.js')).doctor,
  ),
  entry('top', 'shows the pools of a process, again and again', async () => (await import('./top.js')).top),
];

function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}

/** All commands, loaded. */
export function loadAll(): Promise<Command[]> {
  return Promise.all(COMMANDS.map(({ load }) => load()));
}
