/** A request and its answer, through a broker and without one: `node session.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BrokerPool } from 'broker-pool';
import { serveBackend } from 'broker-pool/backend';
import { openSession } from 'broker-pool/frames';
import { startTestSystem } from 'broker-pool/testing';

const payloadProtocol = 0xf001; // of the range for private use
const directory = mkdtempSync(join(tmpdir(), 'session-'));
const backend = await serveBackend({
  // Windows has pipes in place of socket files.
  endpoint: process.platform === 'win32' ? basename(directory) : join(directory, 'backend.sock'),
  payloadProtocols: [payloadProtocol],
  onRequest: ({ payload }) => Buffer.from(Buffer.from(payload).toString().toUpperCase()),
});
const system = await startTestSystem({ service: { endpoint: backend.endpoint } });

const pool = new BrokerPool(system.target);
const session = openSession(pool, { payloadProtocol });
const answers = await Promise.all(['one', 'two'].map((word) => session.request(Buffer.from(word))));
console.log(answers.map((answer) => Buffer.from(answer).toString()).join(' and '));
await session.close();
await pool.close();

const direct = openSession({ endpoint: backend.endpoint }, { payloadProtocol });
console.log(Buffer.from(await direct.request(Buffer.from('without a broker'))).toString());
await direct.close();

await system.stop();
await backend.close();
rmSync(directory, { recursive: true });
