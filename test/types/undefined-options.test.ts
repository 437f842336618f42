/** At run time an option that is `undefined` has its default, whichever option it is. */
import { readFileSync } from 'node:fs';
import {
  connectLocalSocket,
  connectToBackend,
  sendAdminRequest,
  sharedBrokerEndpoint,
} from '../../src/index.js';
import { checkTrust } from '../../src/client/trust-option.js';
import { checkPoolOptions } from '../../src/pool/options.js';
import { startTestSystem } from '../../src/testing/index.js';
import { openPool } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';

/** All optional options of an interface, each of them `undefined`; those of what it extends too. */
function allUndefined(file: string, name: string): Record<string, undefined> {
  const source = readFileSync(new URL(`../../../src/${file}.ts`, import.meta.url), 'utf8');
  const [, heritage = '', body = ''] =
    new RegExp(`^export interface ${name}( extends \\w+)? \\{(.*?)^\\}`, 'ms').exec(source) ?? [];
  const own = [...body.matchAll(/^ {2}(?:readonly )?(\w+)\?:/gm)].map(
    ([, option = '']): [string, undefined] => [option, undefined],
  );
  if (own.length === 0) throw new Error(`${name} has no options`);
  const inherited = heritage.includes('ClientIdentityOptions')
    ? allUndefined('client/client-identity', 'ClientIdentityOptions')
    : {};
  return { ...inherited, ...Object.fromEntries(own) };
}

test('of a pool', (t) => {
  const options = allUndefined('pool/options', 'BrokerPoolOptions');
  t.true(Object.keys(options).length > 25);
  const required = { brokerEndpoint: '/run/broker.sock' };
  t.deepEqual(checkPoolOptions({ ...options, ...required }), checkPoolOptions(required));
  t.deepEqual(
    checkPoolOptions({
      ...required,
      endpointCache: allUndefined('pool/endpoint-cache', 'EndpointCacheOptions'),
    }),
    checkPoolOptions({ ...required, endpointCache: {} }),
  );
  t.deepEqual(checkTrust(allUndefined('client/trust-option', 'TrustOptions')), checkTrust(undefined));
});

test('of the methods of a pool', async (t) => {
  await using system = await startTestSystem();
  const pool = openPool(t, system.target);
  const acquire = allUndefined('pool/options', 'AcquireOptions');
  const target = allUndefined('pool/options', 'TargetOptions');
  await pool.warm(acquire);
  (await pool.acquire(acquire)).release();
  await pool.use(({ endpoint }) => t.is(endpoint, system.backend.endpoint), acquire);
  pool.tryAcquire(target)?.release();
  pool.clear(target);
  t.is(pool.stats().targets.length, 1);
  await pool.close(allUndefined('pool/options', 'CloseOptions'));
});

test('of calls that connect once', async (t) => {
  await using system = await startTestSystem();
  const { brokerEndpoint } = system.target;
  const { socket, route } = await connectToBackend({
    ...allUndefined('client/connect', 'ConnectOptions'),
    ...system.target,
  });
  t.is(route, 'broker-negotiated');
  socket.destroy();
  (
    await connectLocalSocket(
      system.backend.endpoint,
      allUndefined('client/connect-local-socket', 'ConnectLocalSocketOptions'),
    )
  ).destroy();
  const answer = await sendAdminRequest({
    ...allUndefined('client/admin', 'AdminRequestOptions'),
    brokerEndpoint,
    verb: 'HEALTHZ',
  });
  t.is(answer.exitCode, 0);
});

test('of endpoint names', (t) => {
  const name = (options: Parameters<typeof sharedBrokerEndpoint>[0]): unknown => {
    try {
      return sharedBrokerEndpoint(options);
    } catch (error) {
      return error instanceof Error ? error.message : error;
    }
  };
  t.is(name(allUndefined('client/endpoints', 'EndpointNameOptions')), name({}));
});
