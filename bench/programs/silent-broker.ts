/**
 * A broker that answers Hellos for one service and never those for others, with its backend:
 * `broker-pool/testing` in a process of its own.
 */
import { createInterface } from 'node:readline';
import { startTestSystem } from '../../src/testing/index.js';

const ANSWERED = 'echo';
const system = await startTestSystem({
  serviceName: ANSWERED,
  backend: {},
  broker: {
    helloTimeoutMs: 600_000,
    decide: ({ serviceName }) => (serviceName === ANSWERED ? undefined : { kind: 'silent' }),
  },
});
process.stdout.write(`${JSON.stringify(system.target)}\n`);
// It ends with the process at the other end of its standard input.
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${line}\n`);
await system.stop();
