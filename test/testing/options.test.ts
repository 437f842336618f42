/**
 * What the testing kit is told is checked as the options of a pool are: a misspelt fault would test nothing.
 */
import { BrokerPoolError } from '../../src/index.js';
import {
  EmbeddedBackend,
  EmbeddedBroker,
  spawnTestSystem,
  startTestSystem,
} from '../../src/testing/index.js';
import test from '../helpers/sanitary.js';

/** Calls a method as JavaScript may. */
function call(object: object, method: string, value: unknown): unknown {
  const found: unknown = Reflect.get(object, method);
  if (typeof found !== 'function') throw new Error(`no method ${method}`);
  return Reflect.apply(found, object, [value]);
}

const kit = { startTestSystem, spawnTestSystem };
const starts: Readonly<Record<string, (options: unknown) => Promise<unknown>>> = {
  startTestSystem: async (options) => await call(kit, 'startTestSystem', options),
  spawnTestSystem: async (options) => await call(kit, 'spawnTestSystem', options),
  'EmbeddedBroker.start': async (options) => await call(EmbeddedBroker, 'start', options),
  'EmbeddedBackend.start': async (options) => await call(EmbeddedBackend, 'start', options),
};

for (const [name, start] of Object.entries(starts)) {
  test(`${name} refuses options that do not exist`, async (t) => {
    for (const options of [{ hand0ff: 'accept' }, { servicename: 'x' }, 'echo', null, []]) {
      await t.throwsAsync(
        start(options),
        { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT', message: /^options / },
        JSON.stringify(options),
      );
    }
  });
}

for (const [where, options] of Object.entries({
  broker: { broker: { hellotimeoutMs: 5 } },
  backend: { backend: { handof: 'accept' } },
  service: { service: { minversion: '1.0.0' } },
  'broker.services.other': { broker: { services: { other: { endpoint: '/x', minversion: '1.0.0' } } } },
})) {
  test(`startTestSystem refuses options of ${where} that do not exist, and names ${where}`, async (t) => {
    const message = new RegExp(`^${where.replaceAll('.', '\\.')} has no option`);
    await t.throwsAsync(async () => await call(kit, 'startTestSystem', options), {
      code: 'INVALID_ARGUMENT',
      message,
    });
  });
}

const idle = (): void => {};

for (const [title, name, options, problem] of [
  [
    'onHttp beside onConnection',
    'onHttp',
    { onHttp: idle, onConnection: idle },
    'gets the connections that onConnection would get',
  ],
  ['onRequest without payloadProtocols', 'onRequest', { onRequest: idle }, 'needs payloadProtocols'],
  [
    'identity beside onConnection alone',
    'identity',
    { identity: { pid: 1 }, onConnection: idle },
    'needs payloadProtocols beside onConnection',
  ],
  [
    'handoffEndpoint without handoff',
    'handoffEndpoint',
    { handoffEndpoint: '/nonexistent/handoff' },
    'needs handoff',
  ],
  [
    'offerTimeoutMs without handoff',
    'offerTimeoutMs',
    { offerTimeoutMs: 9, handoff: 'none' },
    'needs handoff',
  ],
] as const) {
  test(`a backend and a system refuse ${title}`, async (t) => {
    const refusal = (path: string) => ({
      instanceOf: BrokerPoolError,
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`^${path}${name} ${problem}`),
    });
    await t.throwsAsync(async () => await starts['EmbeddedBackend.start']?.(options), refusal(''));
    await t.throwsAsync(
      async () => await starts['startTestSystem']?.({ backend: options }),
      refusal('backend\\.'),
    );
  });
}

test('startTestSystem refuses its own service among the services of the broker', async (t) => {
  const services = { other: { endpoint: '/nonexistent/other' }, own: { endpoint: '/nonexistent/own' } };
  await t.throwsAsync(startTestSystem({ serviceName: 'own', broker: { services } }), {
    instanceOf: BrokerPoolError,
    code: 'INVALID_ARGUMENT',
    message: /^broker\.services\.own is the service of the system/,
  });
});

test('a handoff mode that does not exist is refused', async (t) => {
  for (const name of ['EmbeddedBackend.start', 'spawnTestSystem']) {
    await t.throwsAsync(async () => await starts[name]?.({ handoff: 'acept' }), {
      code: 'INVALID_ARGUMENT',
      message: /^handoff must be one of/,
    });
  }
  await using backend = await EmbeddedBackend.start();
  t.throws(() => Reflect.set(backend, 'handoff', 'none'), { code: 'INVALID_ARGUMENT' });
});

test('an option that is undefined has its default', async (t) => {
  await using system = await startTestSystem({
    serviceName: undefined,
    version: undefined,
    directory: undefined,
    broker: { endpoint: undefined, directory: undefined, services: undefined, decide: undefined },
    backend: { endpoint: undefined, directory: undefined, handoff: undefined, onConnection: undefined },
  });
  t.like(system.target, { serviceName: 'echo', wantedVersion: '1.0.0' });
});

const wrongBehaviours = [
  { kind: 'refuze' },
  { kind: 'refuse', code: 2, retryAfterMS: 5 },
  { kind: 'silent', wait: 5 },
  {},
  'silent',
  null,
  undefined,
];

test('a behaviour that does not exist is refused where it is set, and the old one stays', async (t) => {
  await using broker = await EmbeddedBroker.start();
  for (const wrong of wrongBehaviours) {
    for (const name of ['behaviour', 'adminBehaviour']) {
      t.throws(
        () => Reflect.set(broker, name, wrong),
        { code: 'INVALID_ARGUMENT', message: new RegExp(`^${name}`) },
        JSON.stringify(wrong),
      );
    }
    t.throws(() => call(broker, 'script', wrong), { code: 'INVALID_ARGUMENT' });
  }
  t.deepEqual([broker.behaviour, broker.adminBehaviour], [{ kind: 'answer' }, { kind: 'answer' }]);
});

test('a refusal is no behaviour for admin requests', async (t) => {
  await using broker = await EmbeddedBroker.start();
  t.throws(() => Reflect.set(broker, 'adminBehaviour', { kind: 'refuse', code: 2 }), {
    code: 'INVALID_ARGUMENT',
    message: /^adminBehaviour\.kind/,
  });
});
