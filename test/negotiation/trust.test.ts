import { chmodSync, chownSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectToBackend, sendAdminRequest } from '../../src/index.js';
import { ownTrust } from '../../src/os/endpoint-trust.js';
import { loadNative } from '../../src/os/native.js';
import { EmbeddedBackend } from '../../src/testing/embedded-backend.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { SERVICE, startSystem, VERSION, type TestSystem } from '../helpers/system.js';
import { connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from './drivers-kit.js';

const own = process.geteuid?.() ?? -1;
const STRANGER = own + 4_242;
const posix = process.platform === 'win32' ? test.skip : test;
const asRoot = own === 0 && loadNative() !== undefined ? test : test.skip;

/** Lets everybody write to the directory of the broker and its backend. */
async function startInSharedDirectory(t: ExecutionContext): Promise<TestSystem> {
  const system = await startSystem(t);
  chmodSync(system.directory, 0o777);
  return system;
}

for (const [name, create] of DRIVERS) {
  posix(`${name}: a broker in a directory where others may write is not even dialled`, async (t) => {
    const { broker } = await startInSharedDirectory(t);
    const failure = failureOf(await run(openDriver(t, create), handshakeJob(broker.endpoint)));
    t.is(failure.code, 'BROKER_CONNECT');
    t.is(failure.system?.code, 'EUNTRUSTED');
    t.regex(failure.message, /is not trusted: others may write to its directory/);
    t.is(broker.helloCount, 0);
  });

  posix(`${name}: a backend that the broker names there is not dialled either`, async (t) => {
    const { broker } = await startSystem(t);
    const directory = temporaryDirectory(t);
    const backend = await EmbeddedBackend.start({ directory, handoff: 'none' });
    t.teardown(() => backend.stop());
    chmodSync(directory, 0o777);
    broker.services.set(SERVICE, { endpoint: backend.endpoint, version: VERSION });
    const failure = failureOf(await run(openDriver(t, create), handshakeJob(broker.endpoint)));
    t.is(failure.code, 'BACKEND_CONNECT');
    t.is(failure.system?.code, 'EUNTRUSTED');
    t.is(backend.connections, 0);
  });

  posix(`${name}: shared directories can be allowed`, async (t) => {
    const { broker } = await startInSharedDirectory(t);
    const job = handshakeJob(broker.endpoint, { trust: { ...ownTrust(), sharedDirectories: true } });
    connectionOf(await run(openDriver(t, create), job)).socket.destroy();
    t.is(broker.helloCount, 1);
  });

  asRoot(`${name}: a broker that runs as somebody else gets no belief, whoever owns its socket`, async (t) => {
    const { broker } = await startSystem(t);
    for (const path of [dirname(broker.endpoint), broker.endpoint]) chownSync(path, STRANGER, STRANGER);
    const job = handshakeJob(broker.endpoint, { trust: { userIds: [STRANGER], sharedDirectories: false } });
    t.regex(failureOf(await run(openDriver(t, create), job)).message, new RegExp(`is not trusted: the process behind it runs as user ${own}`));
  });
}

posix('pools, one-shot connects and admin requests ask alike, and take the same option', async (t) => {
  const { target, broker } = await startInSharedDirectory(t);
  const { brokerEndpoint } = target;
  const refused = { code: 'BROKER_CONNECT', message: /is not trusted/ };
  const trust = { sharedDirectories: true };
  for (const [options, isAllowed] of [[{}, false], [{ trust }, true]] as const) {
    const pool = new BrokerPool({ ...target, ...options });
    t.teardown(() => pool.destroy());
    const calls = [
      () => pool.use(() => {}),
      async () => (await connectToBackend({ ...target, ...options })).socket.destroy(),
      () => sendAdminRequest({ brokerEndpoint, verb: 'HEALTHZ', ...options }),
    ];
    for (const call of calls) {
      if (isAllowed) await t.notThrowsAsync(call);
      else await t.throwsAsync(call, refused);
    }
  }
  t.is(broker.helloCount, 2);
});

posix('a remembered endpoint that is not trusted any more is forgotten, and the broker is asked', async (t) => {
  const { target, broker } = await startSystem(t);
  const directory = temporaryDirectory(t);
  const backend = await EmbeddedBackend.start({ directory, handoff: 'none' });
  t.teardown(() => backend.stop());
  broker.services.set(SERVICE, { endpoint: backend.endpoint, version: VERSION });
  const pool = new BrokerPool(target);
  t.teardown(() => pool.destroy());
  (await pool.acquire()).destroy();
  chmodSync(directory, 0o777);
  await t.throwsAsync(pool.acquire(), { code: 'BACKEND_CONNECT', message: /is not trusted/ });
  t.true(broker.helloCount > 1);
});

test('a trust that makes no sense is refused, the option named', (t) => {
  for (const [trust, field] of [[{ userIds: [-1] }, 'trust.userIds'], [{ userIds: 0 }, 'trust.userIds'], [{ sharedDirectories: 'yes' }, 'trust.sharedDirectories'], [{ users: [] }, 'trust']] as const) {
    // @ts-expect-error what plain JavaScript may pass
    t.throws(() => new BrokerPool({ trust }), { code: 'INVALID_ARGUMENT', message: new RegExp(`^${field}`) });
  }
});
