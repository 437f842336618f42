/**
 * A broker and a request-and-response service as its backend, in one process, until its standard input ends.
 */
import { createInterface } from 'node:readline';
import { startTestSystem, type TestTarget } from '../../src/testing/index.js';
import { serveHttpLike } from '../peers/http-like.js';

/** Where they are. */
export interface ServiceReady {
  readonly target: TestTarget;
  readonly backendEndpoint: string;
}

const system = await startTestSystem({ backend: { onConnection: serveHttpLike } });
const ready: ServiceReady = { target: system.target, backendEndpoint: system.backend.endpoint };
process.stdout.write(`${JSON.stringify(ready)}\n`);
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${line}\n`);
await system.stop();
