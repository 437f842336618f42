/**
 * A request-and-response service, in its own protocol and in frames, and a broker for each, in one process, until its
 * standard input ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { serveBackend } from '../../src/backend/index.js';
import { startTestSystem, type TestTarget } from '../../src/testing/index.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import { bodyFor, serveHttpLike } from '../peers/http-like.js';

/** Where they are. */
export interface ServiceReady {
  readonly target: TestTarget;
  readonly backendEndpoint: string;
  /** Behind it the service that is asked in frames. */
  readonly framesTarget: TestTarget;
  readonly framesEndpoint: string;
}

const directory = mkdtempSync(join(tmpdir(), 'bps-'));
const framesEndpoint = join(directory, 'frames.sock');
const frames = await serveBackend({
  endpoint: framesEndpoint,
  payloadProtocols: [ECHO_PROTOCOL],
  onRequest: ({ payload }) => Buffer.from(bodyFor(Buffer.from(payload).toString('latin1')), 'latin1'),
});
const framesSystem = await startTestSystem({ service: { endpoint: framesEndpoint } });

const system = await startTestSystem({ backend: { onConnection: serveHttpLike } });
const ready: ServiceReady = {
  target: system.target,
  backendEndpoint: system.backend.endpoint,
  framesTarget: framesSystem.target,
  framesEndpoint,
};
process.stdout.write(`${JSON.stringify(ready)}\n`);
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${line}\n`);
await system.stop();
await framesSystem.stop();
await frames.close();
rmSync(directory, { recursive: true, force: true });
