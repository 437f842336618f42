#!/usr/bin/env node
import { BrokerPoolError } from '../errors.js';
import { LIBRARY_VERSION } from '../version.js';
import { UsageError, type Command } from './command.js';
import { endQuietly } from './ending.js';

const USAGE = `broker-pool COMMAND [options]

Connections to the backends of a running-process broker.

  demo       measures connections by every route, with a broker and a backend of its own
  admin      asks a broker: STATUS, HEALTHZ, READYZ, METRICS, CONFIG, ...
  endpoint   prints where your broker listens

  -h, --help after a command shows its usage
  --version

Each command prints JSON with --json. Errors are lines of text on the error output.
On Linux, @name means a socket in the abstract namespace.
Exit codes: 0 success, 1 failure, 2 wrong usage, 128 + the number of a signal; admin: that of the broker.
`;

/** Each is loaded when it is asked for: most need only a part of the package. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./demo.js')).demo,
  admin: async () => (await import('./admin.js')).admin,
  endpoint: async () => (await import('./endpoint.js')).endpoint,
};
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const [name = '--help', ...parameters] = process.argv.slice(2);
endQuietly();
process.exitCode = await main();

async function main(): Promise<number> {
  if (isHelp(name)) return print(USAGE);
  if (name === '--version') return print(`${LIBRARY_VERSION}\n`);
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    console.error(`broker-pool: unknown command ${JSON.stringify(name)}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  const command = await load();
  if (parameters.some(isHelp)) return print(command.usage);
  try {
    return await command.run(parameters);
  } catch (error) {
    return report(error);
  }
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

/** To stdout: the caller asked for help. */
function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function report(error: unknown): number {
  const code = error instanceof BrokerPoolError ? `${error.code}: ` : '';
  const misused =
    error instanceof UsageError || (error instanceof BrokerPoolError && error.code === 'INVALID_ARGUMENT');
  const hint = misused ? `\nbroker-pool ${name} --help shows the usage` : '';
  console.error(
    `broker-pool ${name}: ${code}${error instanceof Error ? error.message : String(error)}${hint}`,
  );
  return misused ? EXIT_USAGE : EXIT_FAILED;
}
