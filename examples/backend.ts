/** A backend that answers framed requests and HTTP at one endpoint: `node backend.ts`. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { serveBackend } from 'broker-pool/backend';

const directory = mkdtempSync(join(tmpdir(), 'backend-'));
const backend = await serveBackend({
  // Windows has pipes in place of socket files.
  endpoint: process.platform === 'win32' ? basename(directory) : join(directory, 'backend.sock'),
  payloadProtocols: [0xf001],
  onRequest: ({ payload }) => Buffer.from(Buffer.from(payload).toString().toUpperCase()),
  httpServer: createServer((request, response) => response.end(`${request.method} ${request.url}\n`)),
});

const outgoing = get({ socketPath: backend.endpoint, path: '/hello', agent: false });
const [response]: IncomingMessage[] = await once(outgoing, 'response');
for await (const chunk of response ?? []) process.stdout.write(String(chunk));

await backend.close();
rmSync(directory, { recursive: true });
