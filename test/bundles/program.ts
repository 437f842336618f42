/**
 * The program that is bundled: `node program.js TARGET`, the target's options as JSON. Acquires by each
 * route, several at a time, and prints by which routes the connections came and how the pools waited. It must
 * end by itself.
 */
import { once } from 'node:events';
import { BrokerPool, type BrokerPoolOptions } from 'broker-pool';

const target: BrokerPoolOptions = JSON.parse(process.argv[2] ?? '');

const AT_A_TIME = 4;

async function routesOf(options: BrokerPoolOptions) {
  const pool = new BrokerPool({ ...target, ...options, max: AT_A_TIME });
  if (options.adoptHandedOffConnection === true) await pool.warm();
  // The endpoint is known from then on.
  await newConnection(pool);
  const routes = await Promise.all(Array.from({ length: AT_A_TIME }, () => newConnection(pool)));
  const { driver } = pool.stats();
  await pool.close();
  return { routes: [...new Set(routes)], driver };
}

async function newConnection(pool: BrokerPool): Promise<string> {
  const lease = await pool.acquire();
  lease.socket.write('ping');
  const [answer]: Buffer[] = await once(lease.socket, 'data');
  const { route } = lease;
  lease.destroy();
  return `${String(answer)} by ${route}`;
}

async function main(): Promise<void> {
  const negotiated = await routesOf({ endpointCache: false });
  const skipped = await routesOf({});
  const handedOver = await routesOf({ endpointCache: false, adoptHandedOffConnection: true });
  process.stdout.write(JSON.stringify([negotiated, skipped, handedOver]));
}

// Bundlers do not take a top-level await in CommonJS.
void main();
