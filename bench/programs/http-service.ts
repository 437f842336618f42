/**
 * A broker, and an HTTP server as its backend, in one process, until its standard input ends.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestSystem, type TestTarget } from '../../src/testing/index.js';

/** Where they are. */
export interface HttpServiceReady {
  readonly target: TestTarget;
  readonly endpoint: string;
}

const directory = mkdtempSync(join(tmpdir(), 'bph-'));
const endpoint = join(directory, 'http.sock');
const server = createServer((request, response) => response.end(request.url));
server.listen(endpoint);
await once(server, 'listening');
const system = await startTestSystem({ service: { endpoint } });
const ready: HttpServiceReady = { target: system.target, endpoint };
process.stdout.write(`${JSON.stringify(ready)}\n`);
await once(process.stdin.resume(), 'end');
await system.stop();
server.close();
server.closeAllConnections();
rmSync(directory, { recursive: true, force: true });
