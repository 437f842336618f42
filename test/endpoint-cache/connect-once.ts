/**
 * A command-line tool that connects once: `node connect-once.js OPTIONS`, the options of its pool as JSON.
 * Prints the route and the codes of the warnings, and ends at once, without closing anything.
 */
import { writeSync } from 'node:fs';
import { BrokerPool } from '../../src/index.js';

const codes: unknown[] = [];
process.on('warning', (warning) =>
  codes.push('code' in warning ? `${warning.name} ${String(warning.code)}` : warning.name),
);

const pool = new BrokerPool(JSON.parse(process.argv[2] ?? ''));
const lease = await pool.acquire();
// In the turn of the connect: nothing that waits for a later one gets its chance.
writeSync(1, JSON.stringify({ route: lease.route, codes }));
process.exit();
