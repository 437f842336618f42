import { once } from 'node:events';
import { join } from 'node:path';
import { serveBackend } from '../../../src/backend/index.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';

const target = { serviceName: 'zccache', wantedVersion: '1.11.20', acquireTimeoutMs: 120_000 };

test('a pool with an identity file leases probed connections without a broker (S-80)', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'service.identity.json');
  const pool = openPool(t, { ...target, brokerEndpoint: endpointIn(directory, 'no-broker'), identityFile });
  t.is((await failureOf(pool.acquire())).code, 'IDENTITY_FILE');
  const backend = await serveBackend({
    endpoint: endpointIn(directory, 'service'),
    identityFile,
    onConnection: (socket) => void socket.pipe(socket),
  });
  t.teardown(() => backend.close());
  await pool.use(async ({ socket, endpoint, route }) => {
    t.is(route, 'hello-skip');
    t.is(endpoint, backend.endpoint);
    socket.write('hello');
    t.is(String((await once(socket, 'data'))[0]), 'hello');
  });
  t.like(pool.stats(), { idle: 1, cachedEndpoints: 0 });
});

test('other services and other versions ask the broker', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'service.identity.json');
  const pool = openPool(t, { ...target, brokerEndpoint: endpointIn(directory, 'no-broker'), identityFile });
  for (const other of [{ serviceName: 'other' }, { wantedVersion: '1.11.21' }])
    t.is((await failureOf(pool.acquire(other))).code, 'BROKER_CONNECT');
});

test('a relative path is refused', (t) => {
  const wrong = (): unknown => openPool(t, { ...target, identityFile: 'service.identity.json' });
  t.throws(wrong, { code: 'INVALID_ARGUMENT', message: /^identityFile must be an absolute path/ });
});
