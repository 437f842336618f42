import { once } from 'node:events';
import { join } from 'node:path';
import { serveBackend } from '../../../src/backend/index.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { sharedBrokerEndpoint } from '../../../src/connect.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { testWhere } from '../../helpers/test-where.js';

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

const hasRuntimeDirectory = testWhere(process.platform === 'linux', 'XDG_RUNTIME_DIR');

hasRuntimeDirectory('a pool with an identity file derives the broker only for other targets', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'service.identity.json');
  const { XDG_RUNTIME_DIR: before } = process.env;
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
  });
  // No endpoint can be derived.
  process.env['XDG_RUNTIME_DIR'] = 'relative';
  const message = /^the environment variable XDG_RUNTIME_DIR must be an absolute path/;
  t.throws(() => openPool(t, target), { code: 'INVALID_ARGUMENT', message });
  const pool = openPool(t, { ...target, identityFile });
  const failure = await failureOf(pool.acquire());
  t.like(failure, { code: 'IDENTITY_FILE', endpoint: undefined });
  t.regex(failure.message, /\(zccache 1\.11\.20, 1 attempt in \d+ ms\)/);
  t.is(pool.stats().targets[0]?.brokerEndpoint, '');
  const other = { serviceName: 'other' };
  t.like(await failureOf(pool.acquire(other)), { code: 'INVALID_ARGUMENT' });
  pool.clear();
  process.env['XDG_RUNTIME_DIR'] = directory;
  const brokerEndpoint = sharedBrokerEndpoint();
  t.like(await failureOf(pool.acquire(other)), { code: 'BROKER_CONNECT', endpoint: brokerEndpoint });
  t.is(pool.stats().targets[1]?.brokerEndpoint, brokerEndpoint);
});
