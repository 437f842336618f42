/**
 * Uses a pool where something keeps the wait thread or the C library away: `node without-thread.js <target as
 * JSON> [<late>]`, where `late` switches the C library off when it is loaded already. Prints a line of JSON.
 */
import { readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPool, type DriverName, type Route } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { until } from '../helpers/leftovers.js';

export interface WithoutThreadReport {
  readonly routes: readonly Route[];
  readonly driver: DriverName;
  /** The codes of the warnings of this package. */
  readonly warnings: readonly string[];
  /** Descriptors more at the end than before the first pool; 0 where they cannot be counted. */
  readonly leaked: number;
}

const [, , targetText = '', late] = process.argv;
const target: TestTarget = JSON.parse(targetText);
const warnings: string[] = [];
process.on('warning', (warning) => {
  if (warning.name === 'BrokerPoolWarning' && 'code' in warning) warnings.push(String(warning.code));
});

function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

const routes: Route[] = [];
let driver: DriverName = 'worker';

/** A pool that is warmed, used twice, and closed. */
async function usePool(): Promise<void> {
  const pool = new BrokerPool({
    ...target,
    adoptHandedOffConnection: true,
    endpointCache: false,
    acquireTimeoutMs: 20_000,
  });
  await pool.warm();
  for (let time = 0; time < 2; time++) {
    const lease = await pool.acquire();
    routes.push(lease.route);
    lease.destroy();
  }
  ({ driver } = pool.stats());
  await pool.close();
}

// The first one opens what Node opens once.
if (late !== undefined) new BrokerPool(target).stats();
if (late !== undefined) process.env['BROKER_POOL_FFI'] = '0';
await usePool();
await turn();
const before = openDescriptors();
await usePool();
// Sockets close in a later turn.
await until(() => openDescriptors() <= before);
const report: WithoutThreadReport = {
  routes,
  driver,
  warnings,
  leaked: Math.max(0, openDescriptors() - before),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
