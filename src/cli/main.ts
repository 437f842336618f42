#!/usr/bin/env node
import { BrokerPoolError } from '../errors.js';
import { runAdmin } from './admin.js';
import { runDemo } from './demo.js';
import { runEndpoint } from './endpoint.js';

const USAGE = `broker-pool: connections to the backends of a running-process broker

  broker-pool demo [--connects N]       embedded broker and backend as processes, traffic by every route
  broker-pool admin VERB [--broker ENDPOINT] [--service NAME] [--json]
                                        asks a broker: STATUS, HEALTHZ, READYZ, METRICS, CONFIG, ...
  broker-pool endpoint [--service NAME | --instance NAME]
                                        prints the derived endpoint of this user's broker
`;

const COMMANDS: Readonly<Record<string, (parameters: string[]) => Promise<number>>> = {
  demo: runDemo,
  admin: runAdmin,
  endpoint: runEndpoint,
};

const [command = '', ...parameters] = process.argv.slice(2);
const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
if (run === undefined) {
  console.error(USAGE);
  process.exitCode = command === '' || command === '--help' ? 0 : 2;
} else {
  try {
    process.exitCode = await run(parameters);
  } catch (error) {
    console.error(describe(error));
    process.exitCode = 1;
  }
}

function describe(error: unknown): string {
  if (error instanceof BrokerPoolError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
