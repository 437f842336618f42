import { defineCommand } from './command.js';
import { ExitCode } from './exit-codes.js';
import { value } from './option.js';
import { wholeNumber } from './values.js';

const CONNECTS = 500;

/** `broker-pool demo`: traffic by every route, with peers of its own. */
export const demo = defineCommand({
  name: 'demo',
  description:
    'Starts a broker and an echo backend, each as a process, and measures the time to a usable connection by ' +
    'every route of a pool, and by a bare net.connect. Each first makes up to 1,000 connections that are not ' +
    'counted.',
  options: {
    connects: value('N', `connections by each route; ${CONNECTS} if left out`, wholeNumber({ min: 1 })),
  },
  json: 'the results as JSON, and nothing else',
  async run({ values: { connects = CONNECTS, json } }, io) {
    const { runDemo } = await import('./demo/traffic.js');
    await runDemo(connects, json, io);
    return ExitCode.DONE;
  },
});
