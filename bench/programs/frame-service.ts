/**
 * A broker and a backend that echoes frames, and all other bytes as they come, in one process, until its standard
 * input ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { serveBackend } from '../../src/backend/index.js';
import { startTestSystem, type TestTarget } from '../../src/testing/index.js';

/** The payload protocol of the backend. */
export const PAYLOAD_PROTOCOL = 0xf000;

/** Where they are. */
export interface FrameServiceReady {
  readonly target: TestTarget;
  readonly backendEndpoint: string;
}

async function serve(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bp-'));
  const backend = await serveBackend({
    endpoint: join(directory, 'frames.sock'),
    payloadProtocols: [PAYLOAD_PROTOCOL],
    onRequest: ({ payload }) => payload,
    onConnection: (socket) => void socket.pipe(socket),
  });
  const system = await startTestSystem({ service: { endpoint: backend.endpoint } });
  const ready: FrameServiceReady = { target: system.target, backendEndpoint: backend.endpoint };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${line}\n`);
  await system.stop();
  await backend.close();
  rmSync(directory, { recursive: true });
}

if (process.argv[1]?.endsWith('frame-service.js') === true) await serve();
