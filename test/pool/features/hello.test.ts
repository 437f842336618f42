/** The fields of a pool's Hellos. */
import type { BrokerPool } from '../../../src/index.js';
import { encodeHelloFrame } from '../../../src/negotiation/exchange/hello.js';
import { canHandOff } from '../../../src/testing/index.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { fakePool } from '../../helpers/fake-pool.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem, type TestSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';

const whereHandedOver = testWhere(canHandOff(), 'descriptors that can be passed');
const identity = { serviceName: 'demo', wantedVersion: '1.0.0' };

/** The Hello of a pool's first connect. */
async function firstHello(...[t, options]: Parameters<typeof fakePool>): Promise<Uint8Array | undefined> {
  const { pool, driver, fail } = fakePool(t, options);
  const failed = failureOf(pool.acquire());
  const [pending] = driver.pending;
  await fail({ code: 'FRAMING_VERSION', message: 'enough' });
  await failed;
  return pending?.job.request;
}

test('a pool asks for a handoff only if it adopts or wants the token', async (t) => {
  for (const [options, claims] of [
    [{}, false],
    [{ adoptHandedOffConnection: false, handoffToken: false }, false],
    [{ handoffToken: true }, true],
    [{ adoptHandedOffConnection: true }, true],
    [{ adoptHandedOffConnection: 'auto' }, true],
  ] as const) {
    t.deepEqual(await firstHello(t, options), encodeHelloFrame(identity, claims), JSON.stringify(options));
  }
});

test('a Hello carries the client identity from the options of the pool', async (t) => {
  const client = {
    clientVersion: '9.9.9',
    clientLibName: 'mine',
    clientLibVersion: '3',
    clientKeepaliveSecs: 45,
  };
  t.deepEqual(await firstHello(t, client), encodeHelloFrame({ ...identity, ...client }, false));
});

/** Opens one connection that is not kept, and returns the capabilities that its Hello claimed. */
async function claimed(pool: BrokerPool, { broker }: TestSystem): Promise<bigint> {
  const hello = broker.nextHello();
  await pool.use(async (lease) => {
    await echo(lease.socket, 'x');
    lease.destroy();
  });
  return (await hello).hello.clientCapabilities;
}

whereHandedOver('a pool that finds handoffs slower stops asking for them', async (t) => {
  const system = await startSystem(t, { backend: { handoff: 'accept' } });
  const pool = openPool(t, system.target, { adoptHandedOffConnection: 'auto', endpointCache: false });
  const claims: bigint[] = [];
  for (let connects = 0; connects < 3; connects++) claims.push(await claimed(pool, system));
  t.deepEqual(claims, [1n, 1n, 1n], 'it tries the handoff');
  claims.length = 0;
  for (let connects = 0; connects < 3; connects++) claims.push(await claimed(pool, system));
  t.deepEqual(claims, [0n, 0n, 0n], 'it tries the other route without paying for a handoff');
  t.is(system.broker.handoffCount, 3);
});

test('a pool stops asking for handoffs after three that failed', async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = { kind: 'rejectedAck' };
  const pool = openPool(t, system.target, { adoptHandedOffConnection: true, endpointCache: false });
  const claims: bigint[] = [];
  for (let connects = 0; connects < 4; connects++) claims.push(await claimed(pool, system));
  t.deepEqual(claims, [1n, 1n, 1n, 0n]);
});

test('a lease has a token if the pool asks for it', async (t) => {
  const system = await startSystem(t);
  for (const [handoffToken, bytes] of [
    [true, 16],
    [false, undefined],
  ] as const) {
    const pool = openPool(t, system.target, { handoffToken });
    const lease = await pool.acquire();
    t.is(lease.route, 'broker-negotiated');
    t.is(lease.handoffToken?.length, bytes);
    lease.release();
  }
});

const FAKE_BACKEND = 'RUNNING_PROCESS_FAKE_BACKEND';

test.serial('a pool follows the test seam if it opts in, and sends no Hello (C-22)', async (t) => {
  const system = await startSystem(t);
  process.env[FAKE_BACKEND] = system.backend.endpoint;
  try {
    const nowhere = { ...system.target, brokerEndpoint: endpointIn(system.directory, 'none') };
    const pool = openPool(t, nowhere, { testSeams: true });
    const lease = await pool.acquire();
    t.is(lease.route, 'hello-skip');
    t.is(lease.endpoint, system.backend.endpoint);
    t.is(await echo(lease.socket, 'seam'), 'seam');
    lease.release();
    t.is((await failureOf(openPool(t, nowhere).acquire())).code, 'BROKER_CONNECT', 'not without opting in');
    process.env[FAKE_BACKEND] = endpointIn(system.directory, 'none');
    const lost = openPool(t, system.target, { testSeams: true });
    t.is((await failureOf(lost.acquire())).code, 'BACKEND_CONNECT', 'no fallback (C-23)');
    process.env[FAKE_BACKEND] = './relative.sock';
    const error = await failureOf(openPool(t, system.target, { testSeams: true }).acquire());
    t.like(error, { code: 'INVALID_ARGUMENT' });
    t.regex(error.message, /RUNNING_PROCESS_FAKE_BACKEND/);
    t.is(system.broker.helloCount, 0);
  } finally {
    delete process.env[FAKE_BACKEND];
  }
});
