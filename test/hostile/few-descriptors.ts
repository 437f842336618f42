/**
 * Run with a low limit of descriptors: `node few-descriptors.js <broker> <service> <version>
 * before|after|known|thread <free>`. Uses up all descriptors but some, before or after the pool's first
 * connection, while it knows the endpoint, or before it needs the wait thread for the first time; asks for a
 * connection, gives the descriptors back, and asks again. Prints a line of JSON.
 */
import { closeSync, openSync, readdirSync } from 'node:fs';
import { inspect } from 'node:util';
import {
  BrokerPool,
  BrokerPoolError,
  type BrokerPoolOptions,
  type DriverName,
  type Route,
} from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import { echo } from '../helpers/talk.js';

export interface FewDescriptorsReport {
  /** The code of the error for want of descriptors; `none` where they were enough. */
  readonly error: string;
  /** Everything that the error tells, its causes too. */
  readonly message: string;
  readonly worksAgain: boolean;
  /** How the next pool waits. */
  readonly nextDriver: DriverName;
  /** How the last connection came to be. */
  readonly route: Route;
  readonly warnings: readonly string[];
  /** Descriptors more at the end than at the start; 0 where they cannot be counted. */
  readonly leaked: number;
}

function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

/** Opens files until the limit of descriptors. */
function useUp(): number[] {
  const taken: number[] = [];
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'));
    } catch {
      return taken;
    }
  }
}

const [, , brokerEndpoint = '', serviceName = '', wantedVersion = '', when = '', free = '0'] = process.argv;
const warnings: string[] = [];
process.on('warning', (warning) => warnings.push(warning.message));

// With one place the connection that is destroyed is the only one: no idle one is left to serve the next caller.
const cached: BrokerPoolOptions = when === 'known' ? { endpointCache: {}, max: 1 } : { endpointCache: false };
const newPool = (adoptHandedOffConnection = false): BrokerPool =>
  new BrokerPool({ brokerEndpoint, serviceName, wantedVersion, ...cached, adoptHandedOffConnection });
const once = async (pool: BrokerPool): Promise<string> =>
  await pool.use(({ socket }) => echo(socket, 'hello'));

// Opens the descriptors that Node opens once and keeps.
const warmUp = newPool();
await once(warmUp);
await warmUp.close();
const before = openDescriptors();

const pool = newPool(when === 'thread');
if (when === 'after' || when === 'known') await once(pool);
if (when === 'known') (await pool.acquire()).destroy();
else pool.clear();
const taken = useUp();
for (const descriptor of taken.splice(0, Number(free))) closeSync(descriptor);
const error: unknown = await pool.acquire({ timeoutMs: 10_000 }).then(
  (lease) => {
    lease.release();
    return 'none';
  },
  (reason: unknown) => reason,
);
for (const descriptor of taken) closeSync(descriptor);
const worksAgain = (await once(pool)) === 'hello';
const route = await pool.use((lease) => lease.route);
await pool.close();
const next = newPool(when === 'thread');
await next.warm();
if ((await once(next)) !== 'hello') throw new Error('the next pool does not work');
const nextDriver = next.stats().driver;
await next.close();
await until(() => openDescriptors() <= before);
const report: FewDescriptorsReport = {
  error: error instanceof BrokerPoolError ? error.code : String(error),
  message: inspect(error),
  worksAgain,
  nextDriver,
  route,
  warnings,
  leaked: Math.max(0, openDescriptors() - before),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
