/**
 * Every error code, provoked: `node errors.ts` prints each with its message, which says what to do.
 *
 * `WORKER_FAILED` needs a process without the C library (`BROKER_POOL_FFI=0`), `UNSUPPORTED_RUNTIME` Bun.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BrokerPool,
  BrokerPoolError,
  brokerDisabledByEnv,
  connectToBackend,
  sendAdminRequest,
} from 'broker-pool';
import { installServiceDefinition, serveBackend } from 'broker-pool/backend';
import { openSession } from 'broker-pool/frames';
import { publishPools } from 'broker-pool/inspection';
import { RefusalCode, startTestSystem, type BrokerBehaviour } from 'broker-pool/testing';

const payloadProtocol = 0xf001;
const hello = Buffer.from('hello');
const directory = mkdtempSync(join(tmpdir(), 'errors-'));
const system = await startTestSystem({ backend: { payloadProtocols: [payloadProtocol] } });
const { broker, target } = system;

function print(error: unknown): void {
  console.log(error instanceof BrokerPoolError ? `${error.code}: ${error.message}` : error);
}

/** Prints the error that a call ends with. */
async function failing(call: () => unknown): Promise<void> {
  try {
    await call();
    console.log('no error');
  } catch (error) {
    print(error);
  }
}

// Answers of a broker.
const unknown = Uint8Array.of(255);
const behaviours: BrokerBehaviour[] = [
  { kind: 'refuse', code: RefusalCode.SERVICE_UNKNOWN, reason: 'no definition' }, // REFUSED
  { kind: 'silent' }, // TIMEOUT
  { kind: 'close' }, // UNEXPECTED_EOF
  { kind: 'wrongVersionByte' }, // FRAMING_VERSION
  { kind: 'oversizedHeader' }, // FRAME_TOO_LARGE
  { kind: 'garbage' }, // DECODE_FRAME
  { kind: 'envelope', frame: { kind: 3 } }, // UNEXPECTED_RESPONSE_FRAME
  { kind: 'envelope', frame: { payload: unknown } }, // DECODE_HELLO_REPLY
  { kind: 'noResult' }, // MISSING_HELLO_REPLY_RESULT
  { kind: 'emptyPipe' }, // EMPTY_BACKEND_PIPE
  { kind: 'negotiate', negotiated: { backendPipe: join(directory, 'nowhere.sock') } }, // BACKEND_CONNECT
];
for (const behaviour of behaviours) {
  broker.script(behaviour);
  await failing(() => connectToBackend({ ...target, roundTripTimeoutMs: 500 }));
}
broker.adminBehaviour = { kind: 'envelope', frame: { payload: unknown } };
const { brokerEndpoint } = target;
await failing(() => sendAdminRequest({ brokerEndpoint, verb: 'STATUS' })); // DECODE_ADMIN_REPLY

// Errors of a pool.
const pool = new BrokerPool({
  ...target,
  max: 1,
  maxWaiting: 0,
  validate: () => Promise.reject(new Error('ill')),
});
const nowhere = join(directory, 'nowhere.sock');
await failing(() => connectToBackend({ ...target, brokerEndpoint: nowhere })); // BROKER_CONNECT
await failing(() => pool.acquire({ signal: AbortSignal.abort() })); // ABORTED
await failing(() => pool.acquire({ timeoutMs: -1 })); // INVALID_ARGUMENT
const lease = await pool.acquire();
await failing(() => pool.acquire()); // QUEUE_FULL
lease.destroy();
const closed = once(pool, 'connectionClosed');
const validated = await pool.acquire();
validated.destroy();
const [{ error }] = await closed;
print(error); // VALIDATION_FAILED
const belowFile = join(process.execPath, 'pools');
await failing(() => publishPools(pool, { directory: belowFile })); // PUBLISH_FAILED
try {
  pool.share().close();
} catch (sharingError) {
  print(sharingError); // WORKER_FAILED
}

// Errors of a session.
const session = openSession(pool, { payloadProtocol });
process.env['RUNNING_PROCESS_DISABLE'] = '1';
await failing(() => openSession(pool, { payloadProtocol })); // BROKER_DISABLED
process.env['RUNNING_PROCESS_DISABLE'] = 'yes';
await failing(() => brokerDisabledByEnv()); // BROKER_DISABLE_ENV
delete process.env['RUNNING_PROCESS_DISABLE'];
const resetting = createServer({ pauseOnConnect: true }, (socket) => setTimeout(() => socket.destroy(), 100));
resetting.listen(join(directory, 'resetting.sock'));
const reset = openSession({ endpoint: join(directory, 'resetting.sock') }, { payloadProtocol });
await failing(() => reset.request(hello)); // FRAME_IO
await session.close();
await failing(() => session.request(hello)); // SESSION_CLOSED
await pool.close();
await failing(() => pool.acquire()); // POOL_CLOSED

// Errors of a backend.
const identityFile = join(directory, 'identity.json');
const backend = await serveBackend({
  endpoint: join(directory, 'backend.sock'),
  identityFile,
  payloadProtocols: [payloadProtocol],
  onRequest: () => {
    throw new Error('the handler failed');
  },
  onError: print, // REQUEST_FAILED
});
const { endpoint } = backend;
const onConnection = (): void => {};
await failing(() => serveBackend({ endpoint, onConnection })); // ENDPOINT_IN_USE
await failing(() => serveBackend({ endpoint: `${identityFile}/backend.sock`, onConnection })); // BACKEND_START
await openSession({ endpoint }, { payloadProtocol })
  .request(hello)
  .catch(() => {});
const other = { ...JSON.parse(readFileSync(identityFile, 'utf8')), pid: process.ppid };
writeFileSync(join(directory, 'other.json'), JSON.stringify(other));
for (const file of ['missing.json', 'other.json']) {
  const strict = openSession({ identityFile: join(directory, file) }, { payloadProtocol });
  await failing(() => strict.request(hello)); // IDENTITY_FILE, IDENTITY_MISMATCH
}
await failing(() =>
  installServiceDefinition({
    serviceName: 'my-service',
    binaryPath: process.execPath,
    directory: identityFile,
  }),
); // DEFINITION_NOT_WRITTEN

resetting.close();
await backend.close();
await system.stop();
rmSync(directory, { recursive: true });
