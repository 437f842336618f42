import { existsSync } from 'node:fs';
import { BrokerPoolError, connectToBackend, type ConnectOptions } from '../../src/index.js';
import { endpointIn } from '../helpers/endpoints.js';
import { hostilePeer } from '../hostile/peer-kit.js';
import test from '../helpers/sanitary.js';
import { closed, echo, startSystem, type TestSystem } from '../helpers/system.js';

const NOWHERE = endpointIn('/tmp', 'none');
const FAKE_BACKEND = 'RUNNING_PROCESS_FAKE_BACKEND';
const DISABLE = 'RUNNING_PROCESS_DISABLE';

/**
 * Runs `work` with variables set. The tests that use it are serial: the environment belongs to the process.
 */
async function withEnvironment<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
}

async function routeOf(options: ConnectOptions): Promise<string> {
  const connection = await connectToBackend(options);
  const { route, socket } = connection;
  if ((await echo(socket, 'works')) !== 'works') throw new Error('the connection does not work');
  await closed(socket);
  return route;
}

/** A broker endpoint without a listener: every Hello to it fails. */
function withoutBroker({ directory, target }: TestSystem): ConnectOptions {
  return { ...target, brokerEndpoint: endpointIn(directory, 'no-broker') };
}

test('a cached endpoint is dialled directly when the versions match, even without a broker (C-11, C-12)', async (t) => {
  const system = await startSystem(t);
  const connection = await connectToBackend({
    ...withoutBroker(system),
    cachedBackendEndpoint: system.backend.endpoint,
  });
  t.is(connection.route, 'hello-skip');
  t.is(connection.endpoint, system.backend.endpoint);
  t.false('negotiated' in connection);
  await closed(connection.socket);
});

test('a connect without a cached endpoint asks the broker (C-16)', async (t) => {
  const system = await startSystem(t);
  t.is(await routeOf(system.target), 'broker-negotiated');
  t.is(system.broker.helloCount, 1);
});

test('a stale cached endpoint falls back to the broker (C-13)', async (t) => {
  const system = await startSystem(t);
  t.is(
    await routeOf({ ...system.target, cachedBackendEndpoint: endpointIn(system.directory, 'stale') }),
    'broker-negotiated',
  );
});

test('a cached endpoint of a form that cannot be dialled falls back to the broker (C-13)', async (t) => {
  const system = await startSystem(t);
  for (const cachedBackendEndpoint of ['', 'relative.sock', `/${'x'.repeat(200)}`, '/a\0b']) {
    t.is(await routeOf({ ...system.target, cachedBackendEndpoint }), 'broker-negotiated');
  }
});

test('a cached endpoint that is no string is refused', async (t) => {
  const options: object = {
    serviceName: 'demo',
    wantedVersion: '1.0.0',
    brokerEndpoint: NOWHERE,
    cachedBackendEndpoint: 5,
  };
  await t.throwsAsync(Reflect.apply(connectToBackend, undefined, [options]), {
    code: 'INVALID_ARGUMENT',
    message: /^cachedBackendEndpoint must be a string/,
  });
});

test('the own version may be any string: it is compared, and never sent (C-11)', async (t) => {
  const system = await startSystem(t);
  const sent = async (options: Partial<ConnectOptions>): Promise<unknown> => {
    const hello = system.broker.nextHello();
    // A broker is asked where the versions differ.
    t.is(await routeOf({ ...system.target, ...options }), 'broker-negotiated');
    return (await hello).hello;
  };
  const withoutOwnVersion = await sent({});
  for (const selfVersion of ['', 'dev', 'v1', '1.0', 'x'.repeat(1_000)])
    t.deepEqual(
      await sent({ selfVersion, cachedBackendEndpoint: system.backend.endpoint }),
      withoutOwnVersion,
    );
});

test('a connect with another own version does not dial the cached endpoint (C-15)', async (t) => {
  const system = await startSystem(t);
  const cached = await hostilePeer(t, () => {});
  const options = { ...system.target, selfVersion: '9.9.9', cachedBackendEndpoint: cached.endpoint };
  t.is(await routeOf(options), 'broker-negotiated');
  t.is(cached.accepted, 0);
});

test('the Hello asks for a handoff only if the client adopts or wants the token (C-03)', async (t) => {
  const system = await startSystem(t);
  const asks = async (options: Partial<ConnectOptions>): Promise<bigint> => {
    const hello = system.broker.nextHello();
    const { socket } = await connectToBackend({ ...system.target, ...options });
    await closed(socket);
    return (await hello).hello.clientCapabilities;
  };
  t.is(await asks({}), 0n);
  t.is(await asks({ adoptHandedOffConnection: false, handoffToken: false }), 0n);
  t.is(await asks({ handoffToken: true }), 1n);
  t.is(await asks({ adoptHandedOffConnection: true }), 1n);
});

test('a client that does not adopt learns the token if it asks for it, and not among the printable fields (C-03)', async (t) => {
  const system = await startSystem(t);
  const without = await connectToBackend(system.target);
  t.is(without.handoffToken, undefined);
  await closed(without.socket);
  const connection = await connectToBackend({ ...system.target, handoffToken: true });
  const { socket, handoffToken, negotiated } = connection;
  t.is(connection.route, 'broker-negotiated');
  t.is(handoffToken?.length, 16);
  t.false('handlePassedToken' in (negotiated ?? {}));
  t.false(Object.keys(connection).includes('handoffToken'), 'it is not printed with the rest');
  await closed(socket);
});

test.serial(
  'the test seam is followed when the caller opts in, ahead of a cached endpoint and the broker (C-22)',
  async (t) => {
    const system = await startSystem(t);
    const cached = await hostilePeer(t, () => {});
    await withEnvironment({ [FAKE_BACKEND]: system.backend.endpoint }, async () => {
      const options = { ...system.target, cachedBackendEndpoint: cached.endpoint, testSeams: true };
      t.is(await routeOf(options), 'hello-skip');
      t.deepEqual([cached.accepted, system.broker.helloCount], [0, 0]);
      await t.throwsAsync(
        connectToBackend(withoutBroker(system)),
        { code: 'BROKER_CONNECT' },
        'not without opting in',
      );
    });
  },
);

test.serial('a seam that cannot be dialled is an error and no fallback (C-23)', async (t) => {
  const system = await startSystem(t);
  await withEnvironment({ [FAKE_BACKEND]: endpointIn(system.directory, 'none') }, async () => {
    await t.throwsAsync(connectToBackend({ ...system.target, testSeams: true }), { code: 'BACKEND_CONNECT' });
  });
});

test.serial(
  'an empty or unset seam, or one with the broker disabled, leads to the broker (C-24, C-25)',
  async (t) => {
    const system = await startSystem(t);
    const options = { ...system.target, testSeams: true };
    t.is(await routeOf(options), 'broker-negotiated');
    t.is(await withEnvironment({ [FAKE_BACKEND]: '' }, () => routeOf(options)), 'broker-negotiated');
    const disabled = { [FAKE_BACKEND]: endpointIn(system.directory, 'none'), [DISABLE]: '1' };
    t.is(await withEnvironment(disabled, () => routeOf(options)), 'broker-negotiated');
  },
);

test("an aborted connect rejects with the reason, and the broker's reply is read before the hang-up (X-20)", async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = { kind: 'silent' };
  const abort = new AbortController();
  const connecting = connectToBackend({ ...system.target, signal: abort.signal });
  await system.broker.until(() => system.broker.helloCount === 1);
  abort.abort('enough');
  const error = await t.throwsAsync(connecting, { instanceOf: BrokerPoolError });
  t.like(error, { code: 'ABORTED', cause: 'enough' });
  system.broker.releaseSilent();
  await system.broker.until(() => system.broker.openConnections === 0);
  t.is(system.broker.earlyHangUps, 0);
});

test('bad options are refused by name', async (t) => {
  const good = { serviceName: 'demo', wantedVersion: '1.0.0', brokerEndpoint: NOWHERE };
  const bad: [string, object][] = [
    ['serviceName', { serviceName: 'No Spaces' }],
    ['wantedVersion', { wantedVersion: 'v1' }],
    ['brokerEndpoint', { brokerEndpoint: '' }],
    ['brokerEndpoint', { brokerEndpoint: `/${'x'.repeat(120)}` }],
    ['roundTripTimeoutMs', { roundTripTimeoutMs: -1 }],
    ['handoffReadyTimeoutMs', { handoffReadyTimeoutMs: Number.NaN }],
    ['adoptHandedOffConnection', { handoffReadyTimeoutMs: 5, handoffToken: true }],
    ['clientVersion', { clientVersion: 'x'.repeat(129) }],
    ['selfVersion', { selfVersion: 1 }],
    ['handoffToken', { handoffToken: 'yes' }],
    ['signal', { signal: 'none' }],
    ['roundTripTimeout', { roundTripTimeout: 5 }],
  ];
  for (const [field, change] of bad) {
    const error = await t.throwsAsync(connectToBackend({ ...good, ...change }), { code: 'INVALID_ARGUMENT' });
    t.true(error?.message.includes(field), `${field}: ${error?.message}`);
  }
  t.false(existsSync(NOWHERE));
});
