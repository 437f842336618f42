/** At run time each option may be `undefined`. */
import {
  connectLocalSocket,
  connectToBackend,
  sendAdminRequest,
  sharedBrokerEndpoint,
} from '../../src/index.js';
import { allAdminOptions } from '../../src/client/admin.js';
import { allLocalSocketOptions } from '../../src/client/connect-local-socket.js';
import { allConnectOptions } from '../../src/client/connect.js';
import { endpointNameOptions } from '../../src/broker-options/endpoints.js';
import { checkTrust, trustOptions } from '../../src/trust-option.js';
import type { OptionTable } from '../../src/option-table.js';
import { endpointCacheOptions } from '../../src/endpoint-cache/options.js';
import {
  allAcquireOptions,
  allPoolOptions,
  checkPoolOptions,
  closeOptions,
  retryOptions,
  targetOptions,
} from '../../src/pool/options.js';
import { startTestSystem } from '../../src/testing/index.js';
import { openPool } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';

/** Each option of a table, `undefined`. */
function allUndefined(table: OptionTable): Record<string, undefined> {
  return Object.fromEntries(Object.keys(table).map((name) => [name, undefined]));
}

test('undefined options of a pool have their defaults', (t) => {
  const options = allUndefined(allPoolOptions);
  t.true(Object.keys(options).length > 25);
  const required = { brokerEndpoint: '/run/broker.sock' };
  t.deepEqual(checkPoolOptions({ ...options, ...required }), checkPoolOptions(required));
  t.deepEqual(
    checkPoolOptions({
      ...required,
      endpointCache: allUndefined(endpointCacheOptions),
    }),
    checkPoolOptions({ ...required, endpointCache: {} }),
  );
  t.deepEqual(
    checkPoolOptions({ ...required, retry: allUndefined(retryOptions) }),
    checkPoolOptions(required),
  );
  t.deepEqual(checkTrust('trust', allUndefined(trustOptions)), checkTrust('trust', {}));
});

test('methods of a pool accept options that are undefined, and mean its own target', async (t) => {
  await using system = await startTestSystem();
  const pool = openPool(t, system.target);
  const acquire = allUndefined(allAcquireOptions);
  const target = allUndefined(targetOptions);
  await pool.warm(acquire);
  (await pool.acquire(acquire)).release();
  await pool.use(({ endpoint }) => t.is(endpoint, system.backend.endpoint), acquire);
  pool.tryAcquire(target)?.release();
  pool.clear(target);
  t.is(pool.stats().targets.length, 1);
  await pool.close(allUndefined(closeOptions));
});

test('calls that connect once accept options that are undefined', async (t) => {
  await using system = await startTestSystem();
  const { brokerEndpoint } = system.target;
  const { socket, route } = await connectToBackend({
    ...allUndefined(allConnectOptions),
    ...system.target,
  });
  t.is(route, 'broker-negotiated');
  socket.destroy();
  (await connectLocalSocket(system.backend.endpoint, allUndefined(allLocalSocketOptions))).destroy();
  const answer = await sendAdminRequest({
    ...allUndefined(allAdminOptions),
    brokerEndpoint,
    verb: 'HEALTHZ',
  });
  t.is(answer.exitCode, 0);
});

test('undefined options of endpoint names have their defaults', (t) => {
  const name = (options: Parameters<typeof sharedBrokerEndpoint>[0]): unknown => {
    try {
      return sharedBrokerEndpoint(options);
    } catch (error) {
      return error instanceof Error ? error.message : error;
    }
  };
  t.is(name(allUndefined(endpointNameOptions)), name({}));
});
