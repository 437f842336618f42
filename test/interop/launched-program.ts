/** The backend of the launched executable: echoes framed requests, after telling who launched it. */
import { serveBackend } from '../../src/backend/index.js';

/** Upper-case answers: an echo of the request itself would look the same as one of the broker's. */
async function main(): Promise<void> {
  const backend = await serveBackend({
    payloadProtocols: [0xf001],
    onRequest: ({ payload }) =>
      Buffer.from(payload).toString() === 'launch'
        ? Buffer.from(JSON.stringify(backend.launch))
        : Buffer.from(Buffer.from(payload).toString().toUpperCase()),
  });
}

void main();
