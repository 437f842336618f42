import { chmodSync, chownSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectToBackend, sendAdminRequest } from '../../src/index.js';
import { systemClock } from '../../src/clock.js';
import { dial, dialNow, type DialOutcome } from '../../src/negotiation/sockets/dial.js';
import { errno } from '../../src/os/errno.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { canAskForPeers, type EndpointTrust, ownTrust } from '../../src/os/endpoint-trust.js';
import { loadNative } from '../../src/os/native.js';
import { EmbeddedBackend } from '../../src/testing/embedded-backend.js';
import { endpointIn } from '../helpers/endpoints.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { SERVICE, startSystem, VERSION, type TestSystem } from '../helpers/system.js';
import { onWindows, testWhere } from '../helpers/test-where.js';
import { connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from './drivers-kit.js';

const own = process.geteuid?.() ?? -1;
const STRANGER = own + 4_242;
/** One at a time: threads that start together may start too late. */
const posix = testWhere(!onWindows, 'file modes', test.serial);
const asRoot = testWhere(
  own === 0 && loadNative() !== undefined,
  'the superuser and the C library',
  test.serial,
);

/** Lets every user write to the directory of the broker and its backend. */
async function startInSharedDirectory(t: ExecutionContext): Promise<TestSystem> {
  const system = await startSystem(t);
  chmodSync(system.directory, 0o777);
  return system;
}

async function startBackendInSharedDirectory(t: ExecutionContext): Promise<EmbeddedBackend> {
  const directory = temporaryDirectory(t);
  const backend = await EmbeddedBackend.start({ directory, handoff: 'none' });
  t.teardown(() => backend.stop());
  chmodSync(directory, 0o777);
  return backend;
}

for (const [name, create] of DRIVERS) {
  posix(`${name}: a broker in a directory where others may write is not dialled`, async (t) => {
    const { broker } = await startInSharedDirectory(t);
    const failure = failureOf(await run(openDriver(t, create), handshakeJob(broker.endpoint)));
    t.is(failure.code, 'BROKER_CONNECT');
    t.is(failure.system?.code, 'EUNTRUSTED');
    t.regex(failure.message, /is not trusted: others may write to its directory/);
    t.is(broker.helloCount, 0);
  });

  posix(`${name}: a backend there is dialled, if its user is known to be trusted`, async (t) => {
    const { broker } = await startSystem(t);
    const backend = await startBackendInSharedDirectory(t);
    broker.services.set(SERVICE, { endpoint: backend.endpoint, version: VERSION });
    const outcome = await run(openDriver(t, create), handshakeJob(broker.endpoint));
    if (canAskForPeers()) t.truthy(connectionOf(outcome).socket.destroy());
    else t.like(failureOf(outcome), { code: 'BACKEND_CONNECT', system: { code: 'EUNTRUSTED' } });
  });

  posix(`${name}: shared directories can be allowed`, async (t) => {
    const { broker } = await startInSharedDirectory(t);
    const job = handshakeJob(broker.endpoint, { trust: { ...ownTrust(), sharedDirectories: true } });
    connectionOf(await run(openDriver(t, create), job)).socket.destroy();
    t.is(broker.helloCount, 1);
  });

  asRoot(
    `${name}: a broker that runs as another user is not trusted, although a trusted user owns its socket`,
    async (t) => {
      const { broker } = await startSystem(t);
      for (const path of [dirname(broker.endpoint), broker.endpoint]) chownSync(path, STRANGER, STRANGER);
      const job = handshakeJob(broker.endpoint, { trust: { userIds: [STRANGER], sharedDirectories: false } });
      const failure = failureOf(await run(openDriver(t, create), job));
      t.like(failure, { code: 'BROKER_CONNECT', endpoint: broker.endpoint });
      t.regex(failure.message, new RegExp(`is not trusted: the process behind it runs as user ${own}`));
    },
  );
}

asRoot(
  'a broker whose backlog was full gets the request before Node reports the connect, if its user is trusted',
  async (t) => {
    const native = loadNative();
    if (native === undefined) throw new Error('no C library here');
    const { polling, system } = native;
    const sent: number[] = [];
    const send = (descriptor: number, bytes: Uint8Array): number => {
      sent.push(bytes.length);
      return system.send(descriptor, bytes);
    };
    const connect = (): number => -(errno['EAGAIN'] ?? 0);
    const calls = { polling, system: { ...system, connect, send } };
    const driver = openDriver(t, () => new EventLoopDriver(systemClock, calls));
    const { broker } = await startSystem(t);
    const job = handshakeJob(broker.endpoint);
    connectionOf(await run(driver, job)).socket.destroy();
    t.deepEqual(sent, [job.request.length]);
    for (const path of [dirname(broker.endpoint), broker.endpoint]) chownSync(path, STRANGER, STRANGER);
    const trust = { userIds: [STRANGER], sharedDirectories: false };
    t.is(failureOf(await run(driver, { ...job, trust })).system?.code, 'EUNTRUSTED');
    t.is(sent.length, 1);
  },
);

posix('pools, one-shot connects and admin requests ask alike, and take the same option', async (t) => {
  const { target, broker } = await startInSharedDirectory(t);
  const { brokerEndpoint } = target;
  const refused = { code: 'BROKER_CONNECT', message: /is not trusted/ };
  const trust = { sharedDirectories: true };
  for (const [options, isAllowed] of [
    [{}, false],
    [{ trust }, true],
  ] as const) {
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

asRoot('dialNow and dial refuse a backend that runs as another user', async (t) => {
  const { backend } = await startSystem(t);
  const trust: EndpointTrust = { userIds: [STRANGER], sharedDirectories: false };
  t.like(dialNow(loadNative(), backend.endpoint, trust), { kind: 'refused', system: { code: 'EUNTRUSTED' } });
  const outcome = await new Promise<DialOutcome>((resolve) => {
    dial(
      {
        endpoint: backend.endpoint,
        deadlineMs: systemClock.now() + 10_000,
        timeoutMs: 10_000,
        clock: systemClock,
        trust,
      },
      resolve,
    );
  });
  t.like(outcome, { kind: 'refused', system: { code: 'EUNTRUSTED' } });
});

test('an invalid trust option is refused by name', (t) => {
  for (const [trust, field] of [
    [{ userIds: [-1] }, 'trust.userIds'],
    [{ userIds: 0 }, 'trust.userIds'],
    [{ sharedDirectories: 'yes' }, 'trust.sharedDirectories'],
    [{ users: [] }, 'trust'],
  ] as const) {
    // @ts-expect-error what plain JavaScript may pass
    t.throws(() => new BrokerPool({ brokerEndpoint: endpointIn('/run', 'broker'), trust }), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`^${field}`),
    });
  }
});
