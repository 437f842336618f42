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

for (const [behaviour, problem] of [
  [{ kind: 'delay' }, 'wait must be a number of milliseconds or a promise, got undefined'],
  [{ kind: 'delay', wait: '5' }, 'wait must be a number of milliseconds or a promise, got "5"'],
  [{ kind: 'delay', wait: -1 }, 'wait must be a number of milliseconds from 0'],
  [{ kind: 'lateReady' }, 'wait must be'],
  [{ kind: 'extraBytes' }, 'bytes must be a Uint8Array, got undefined'],
  [{ kind: 'readyThenBackendBytes', bytes: 'hello' }, 'bytes must be a Uint8Array, got "hello"'],
  [{ kind: 'garbage', bytes: 5 }, 'bytes must be a Uint8Array, got 5'],
  [{ kind: 'halfFrame', bytes: new Uint8Array(2) }, 'bytes must be a whole number'],
  [{ kind: 'refuse' }, 'code must be a number of RefusalCode, got undefined'],
  [{ kind: 'refuse', code: 'RATE_LIMITED' }, 'code must be a number of RefusalCode, got "RATE_LIMITED"'],
  [{ kind: 'refuse', code: 4, retryAfterMs: 0.5 }, 'retryAfterMs must be a whole number'],
  [{ kind: 'refuse', code: 4, reason: 5 }, 'reason must be a string'],
  [{ kind: 'negotiate' }, 'negotiated must be an object'],
  [
    { kind: 'negotiate', negotiated: { backendPip: '/x' } },
    'negotiated has no option "backendPip"; did you mean backendPipe',
  ],
  [
    { kind: 'negotiate', negotiated: { connectionId: 1 } },
    'negotiated cannot be sent: Negotiated.connectionId must be a bigint',
  ],
  [{ kind: 'envelope', frame: { knd: 3 } }, 'frame has no option "knd"; did you mean kind'],
  [{ kind: 'envelope', frame: { kind: '3' } }, 'frame cannot be sent: Frame.kind must be a 32-bit integer'],
] as const) {
  test(`a broker refuses ${JSON.stringify(behaviour)} as a behaviour where it is set`, async (t) => {
    await using broker = await EmbeddedBroker.start();
    const error = t.throws(() => call(broker, 'script', behaviour), { code: 'INVALID_ARGUMENT' });
    t.true(error.message.startsWith(`behaviour.${problem}`), error.message);
  });
}

test('a wait may be any object with a then', async (t) => {
  await using broker = await EmbeddedBroker.start();
  // oxlint-disable-next-line unicorn/no-thenable
  t.notThrows(() => call(broker, 'script', { kind: 'delay', wait: { then: idle } }));
});

for (const [name, options, problem] of [
  ['startTestSystem', { serviceName: 'Foo Bar' }, 'serviceName must be'],
  ['spawnTestSystem', { serviceName: 'Foo Bar' }, 'serviceName must be'],
  ['startTestSystem', { version: '1' }, 'version must be a version'],
  ['startTestSystem', { service: { minVersion: 'one' } }, 'service.minVersion must be a version'],
  ['EmbeddedBroker.start', { services: { echo: {} } }, 'services.echo.endpoint must be a string'],
  [
    'EmbeddedBroker.start',
    { services: { 'Foo Bar': { endpoint: '/x' } } },
    'services: the name of a service must be',
  ],
  ['EmbeddedBroker.start', { decide: 5 }, 'decide must be a function'],
  ['EmbeddedBroker.start', { helloTimeoutMs: '5' }, 'helloTimeoutMs must be a number'],
  ['EmbeddedBroker.start', { directory: 5 }, 'directory must be a string'],
  ['EmbeddedBackend.start', { backlog: 0 }, 'backlog must be'],
  ['EmbeddedBackend.start', { onConnection: {} }, 'onConnection must be a function'],
  ['EmbeddedBackend.start', { payloadProtocols: 5 }, 'payloadProtocols must be an array'],
  ['EmbeddedBackend.start', { identity: { pd: 1 } }, 'identity has no option "pd"; did you mean pid'],
  [
    'EmbeddedBackend.start',
    { identity: { ipcEndpoint: { pth: '/x' } } },
    'identity.ipcEndpoint has no option "pth"; did you mean path',
  ],
] as const) {
  test(`${name} refuses ${JSON.stringify(options)}`, async (t) => {
    const error = await t.throwsAsync(async () => await starts[name]?.(options), {
      code: 'INVALID_ARGUMENT',
    });
    t.true(error.message.startsWith(problem), error.message);
  });
}

test('an identity may have the fields that a message may lack', async (t) => {
  const identity = { idleTimeoutSecs: 0, ipcEndpoint: { namespaceId: 'shared', path: '/x' } };
  await using backend = await EmbeddedBackend.start({ identity });
  t.truthy(backend.endpoint);
});

test('answers to admin requests come from a function', async (t) => {
  await using broker = await EmbeddedBroker.start();
  t.throws(() => Reflect.set(broker, 'answerAdmin', 5), { message: /^answerAdmin must be a function/ });
  broker.answerAdmin = undefined;
  t.is(broker.answerAdmin, undefined);
});

test('startTestSystem refuses a backend that no client would reach', async (t) => {
  const service = { endpoint: '/nonexistent/own' };
  await t.throwsAsync(startTestSystem({ service, backend: {} }), {
    code: 'INVALID_ARGUMENT',
    message: 'backend has no use beside service.endpoint: leave one of them out',
  });
});

test('a refusal is no behaviour for admin requests', async (t) => {
  await using broker = await EmbeddedBroker.start();
  t.throws(() => Reflect.set(broker, 'adminBehaviour', { kind: 'refuse', code: 2 }), {
    code: 'INVALID_ARGUMENT',
    message: /^adminBehaviour\.kind/,
  });
});
