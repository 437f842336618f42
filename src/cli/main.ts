#!/usr/bin/env node
import { BrokerPoolError } from '../errors.js';
import { LIBRARY_VERSION } from '../version.js';
import { admin } from './admin.js';
import { UsageError, type Command } from './command.js';
import { demo } from './demo.js';
import { endQuietly } from './ending.js';
import { endpoint } from './endpoint.js';

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

const COMMANDS: Readonly<Record<string, Command>> = { demo, admin, endpoint };
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const [name = '--help', ...parameters] = process.argv.slice(2);
endQuietly();
process.exitCode = await main();

async function main(): Promise<number> {
  if (isHelp(name)) return print(USAGE);
  if (name === '--version') return print(`${LIBRARY_VERSION}\n`);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    console.error(`broker-pool: unknown command ${JSON.stringify(name)}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
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
