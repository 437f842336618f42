/** A program whose connects succeed and fail, for the lines of NODE_DEBUG. Prints the handoff token in hexadecimal. */
import { BrokerPool, connectToBackend, RefusalCode } from '../src/index.js';
import { startTestSystem } from '../src/testing/index.js';

await using system = await startTestSystem({ serviceName: 'demo' });
const { broker, target } = system;
const pool = new BrokerPool({
  ...target,
  name: 'debugged',
  handoffToken: true,
  retry: { attempts: 2 },
  endpointCache: { file: `${process.execPath}/not-a-directory/endpoints` },
});

broker.script({ kind: 'refuse', code: RefusalCode.RATE_LIMITED, reason: 'too many', retryAfterMs: 1 });
(await pool.acquire()).destroy('invalid');
broker.script({ kind: 'refuse', code: RefusalCode.VERSION_BLOCKED });
await pool.acquire().catch(() => {});
await pool.close();

const handlePassedToken = Uint8Array.from({ length: 16 }, (_, index) => 65 + index);
broker.script({ kind: 'negotiate', negotiated: { handlePassedToken, serverCapabilities: 1n } });
const { socket, handoffToken = new Uint8Array() } = await connectToBackend({ ...target, handoffToken: true });
socket.destroy();
process.stdout.write(`${Buffer.from(handoffToken).toString('hex')}\n`);
