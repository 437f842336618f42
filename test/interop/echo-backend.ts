/**
 * A Node backend that echoes requests, and bytes that are no frames: the program behind `NodeBackend`. Its first
 * argument has the options as JSON. It ends with its standard input.
 */
import { createInterface } from 'node:readline';
import { serveBackend } from '../../src/backend/index.js';
import { ECHO_PROTOCOL } from './rust-frames.js';

/** Where to serve. */
export interface EchoBackendOptions {
  readonly endpoint: string;
  readonly handoffEndpoint?: string;
  readonly identityFile?: string;
}

const options: EchoBackendOptions = JSON.parse(process.argv[2] ?? '');
const backend = await serveBackend({
  ...options,
  payloadProtocols: [ECHO_PROTOCOL],
  onRequest: ({ payload }) => payload,
  onConnection: (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  },
});
console.log(JSON.stringify({ endpoint: backend.endpoint }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stats') console.log(JSON.stringify(backend.stats()));
  if (line === 'memory') console.log(JSON.stringify(process.memoryUsage()));
}
await backend.close();
