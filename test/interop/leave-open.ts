/**
 * A program that uses a pool and then simply comes to its end: no close, connections idle. Its endpoints are
 * its arguments.
 */
import { BrokerPool } from '../../src/index.js';

const [brokerEndpoint = '', serviceName = '', wantedVersion = '', ending = ''] = process.argv.slice(2);
const pool = new BrokerPool({ brokerEndpoint, serviceName, wantedVersion, max: 20 });
await Promise.all(Array.from({ length: 100 }, () => pool.use(() => {})));
console.log(JSON.stringify(pool.stats().idle > 0));
if (ending === 'exit-in-mid-wait') {
  void pool.acquire({ serviceName: 'silent' }).catch(() => {});
  process.exit(0);
}
if (ending === 'throw') throw new Error('uncaught on purpose');
