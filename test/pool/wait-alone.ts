/**
 * Waits with nothing else that keeps the process alive: `node wait-alone.js <target as JSON> acquire|close`.
 * The only connection is leased, and its socket is unref'd. Prints what the wait ended in.
 */
import { BrokerPool, BrokerPoolError } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';

const [, , targetText = '', what] = process.argv;
const target: TestTarget = JSON.parse(targetText);
const pool = new BrokerPool({ ...target, max: 1 });
const lease = await pool.acquire();
lease.socket.unref();
try {
  if (what === 'acquire') await pool.acquire({ timeoutMs: 50 });
  else await pool.close({ timeoutMs: 50 });
  process.stdout.write('done');
} catch (error) {
  process.stdout.write(error instanceof BrokerPoolError ? error.code : String(error));
}
