import type { Command, CommandEntry } from './command.js';

/**
 * Every command. Each is loaded when it is called, or asked for its usage: most need only a part of the
 * package.
 *
 * A new command is a file beside this one that calls `defineCommand`, its entry here, and a section of docs/cli.md
 * with `<!-- usage: NAME -->`, which `npm run generate:docs` fills. The file imports what the command runs with inside
 * `run`: `--help` must stay fast.
 */
export const COMMANDS: readonly CommandEntry[] = [
  entry(
    'connect',
    'connects input and output with a backend',
    async () => (await import('./connect.js')).connect,
  ),
  entry(
    'request',
    'sends a request to a backend and prints the answer',
    async () => (await import('./request.js')).request,
  ),
  entry(
    'bench',
    'measures how fast your own broker and backend are',
    async () => (await import('./bench.js')).bench,
  ),
  entry(
    'serve broker',
    'serves as a broker, to try clients with',
    async () => (await import('./serve/broker.js')).serveBroker,
  ),
  entry(
    'serve backend',
    'serves as a backend: requests, HTTP or bytes',
    async () => (await import('./serve/backend.js')).serveBackend,
  ),
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
  entry(
    'completion',
    'prints a script that completes command lines in a shell',
    async () => (await import('./completion/completion.js')).completion,
  ),
];

function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}

/** All commands, loaded. */
export function loadAll(): Promise<Command[]> {
  return Promise.all(COMMANDS.map(({ load }) => load()));
}
