/**
 * At its parent's command acquires connections, each by its own Hello, and reports the outcomes to the
 * parent: `node stopped-program.js <target as JSON> <connects> <limit in ms>`. Two of the Hellos are awaited
 * on the event loop, the others on the wait thread.
 */
import { once } from 'node:events';
import { BrokerPool, BrokerPoolError } from '../../../src/index.js';
import type { TestTarget } from '../../../src/testing/index.js';

const [, , targetText = '', connectsText = '', limitText = ''] = process.argv;
const target: TestTarget = JSON.parse(targetText);
const connects = Number(connectsText);
const limitMs = Number(limitText);

const options = { max: connects, maxConnecting: connects, endpointCache: false } as const;
const pool = new BrokerPool({
  ...target,
  ...options,
  roundTripTimeoutMs: limitMs,
  acquireTimeoutMs: limitMs,
});
// The first one goes ahead of all others.
(await pool.acquire()).destroy();
process.send?.('ready');
await once(process, 'message');
const acquiring = Array.from({ length: connects }, () =>
  pool.acquire().then(
    () => 'ready',
    (error: unknown) =>
      error instanceof BrokerPoolError ? `${error.code} ${error.phase ?? ''}` : String(error),
  ),
);
const outcomes = await Promise.all(acquiring);
process.send?.(outcomes);
await pool.destroy();
process.disconnect();
