import { openSession, type Session } from '../../src/frames/index.js';
import { BrokerPool, connectSharedPool } from '../../src/index.js';
import { FAKE_BACKEND, FAKE_BROKER } from '../helpers/endpoints.js';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { canShare } from '../sharing/kit.js';
import { PROTOCOL } from './frame-backend.js';
import { bytes, openDirect, startBackend, startPooled } from './kit.js';

/** A request as JavaScript callers may make it. */
function asked(session: Session, ...parameters: readonly unknown[]): Promise<unknown> {
  // oxlint-disable-next-line typescript/unbound-method -- called with its session
  return Reflect.apply(session.request, session, parameters);
}

const target = { endpoint: FAKE_BACKEND };

for (const [options, message] of [
  [{}, /^payloadProtocol must be a number, got undefined/],
  [{ payloadProtocol: 0xad01 }, /^payloadProtocol 0xAD01 belongs to the broker protocol/],
  [{ payloadProtocol: 0x5350 }, /^payloadProtocol 0x5350 lies outside/],
  [{ payloadProtocol: 0x7f00 }, /^payloadProtocol 0x7F00 lies outside/],
  [{ payloadProtocol: PROTOCOL, connections: 0 }, /^connections must be a whole number of at least 1, got 0/],
  [{ payloadProtocol: PROTOCOL, maxInFlight: Infinity }, /^maxInFlight must be/],
  [{ payloadProtocol: PROTOCOL, pipelining: 0 }, /^pipelining must be/],
  [
    { payloadProtocol: PROTOCOL, pipelining: 2, maxInFlight: 1 },
    /^pipelining must not be above maxInFlight, which is 1, got 2$/,
  ],
  [{ payloadProtocol: PROTOCOL, pipelining: 65 }, /^pipelining must not be above maxInFlight, which is 64/],
  [{ payloadProtocol: PROTOCOL, version: '1.0.0' }, /^options has no option "version"; did you mean wantedV/],
  [{ payloadProtocol: PROTOCOL, maxWaiting: -1 }, /^maxWaiting must be/],
  [{ payloadProtocol: PROTOCOL, timeoutMs: 0 }, /^timeoutMs must be/],
  [{ payloadProtocol: PROTOCOL, serviceName: 'x' }, /^serviceName has no effect without a pool/],
  [{ payloadProtocol: PROTOCOL, connection: 1 }, /^options has no option "connection"; did you mean/],
] as const)
  test(`openSession refuses ${JSON.stringify(options)} (S-64)`, (t) => {
    const error = t.throws(() => Reflect.apply(openSession, undefined, [target, options]));
    t.like(error, { code: 'INVALID_ARGUMENT' });
    t.regex(error?.message ?? '', message);
  });

test('openSession without options names the one that it needs', (t) => {
  t.throws(() => Reflect.apply(openSession, undefined, [target]), {
    code: 'INVALID_ARGUMENT',
    message: 'payloadProtocol must be a number, got undefined',
  });
});

for (const wrong of [undefined, null, 5, {}, { endpoint: './relative' }, { endpoint: '/a', more: 1 }])
  test(`openSession refuses the target ${JSON.stringify(wrong)}`, (t) => {
    t.throws(() => Reflect.apply(openSession, undefined, [wrong, { payloadProtocol: PROTOCOL }]), {
      code: 'INVALID_ARGUMENT',
      message: /target/,
    });
  });

test('openSession refuses a target with both endpoint and identityFile', (t) => {
  const both = { ...target, identityFile: '/nonexistent/identity' };
  t.throws(() => Reflect.apply(openSession, undefined, [both, { payloadProtocol: PROTOCOL }]), {
    code: 'INVALID_ARGUMENT',
    message: 'target has both endpoint and identityFile: give one of them',
  });
});

test('openSession takes a target whose other member is undefined', async (t) => {
  const options = { payloadProtocol: PROTOCOL, maxInFlight: 2, pipelining: 2 };
  const session: Session = Reflect.apply(openSession, undefined, [
    { ...target, identityFile: undefined },
    options,
  ]);
  await session.close();
  t.true(session.closed);
});

for (const [options, name] of [
  [{ signal: {} }, 'signal'],
  [{ timeoutMs: -1 }, 'timeoutMs'],
  [{ traceparent: 5 }, 'traceparent'],
  [{ tracestate: 'x'.repeat(9_000) }, 'tracestate'],
  [{ idempotent: 1 }, 'idempotent'],
  [{ payloadProtocol: 0 }, 'payloadProtocol'],
  [{ timeout: 5 }, 'options has no option "timeout"'],
] as const)
  test(`request refuses ${name} ${JSON.stringify(options).slice(0, 40)}`, async (t) => {
    const backend = await startBackend(t);
    const session = openDirect(t, backend);
    const error = await failureOf(asked(session, bytes('x'), options));
    t.is(error.code, 'INVALID_ARGUMENT');
    t.true(error.message.startsWith(name), error.message);
    t.is(backend.connections.length, 0);
  });

test('request refuses a payload that is no Uint8Array', async (t) => {
  const session = openDirect(t, target);
  t.is((await failureOf(asked(session, 'text'))).message, 'payload must be a Uint8Array, got "text"');
});

test('text that is not well-formed fails by itself', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const error = await failureOf(session.request(bytes('x'), { traceparent: '\ud800' }));
  t.is(error.code, 'INVALID_ARGUMENT');
  t.is((await session.request(bytes('y'))).length, 1);
});

test.serial(
  'RUNNING_PROCESS_DISABLE switches sessions over pools that need a broker off, and no others (S-40, S-63)',
  async (t) => {
    const { pool } = await startPooled(t);
    t.teardown(() => delete process.env['RUNNING_PROCESS_DISABLE']);
    process.env['RUNNING_PROCESS_DISABLE'] = '1';
    t.throws(() => openSession(pool, { payloadProtocol: PROTOCOL }), { code: 'BROKER_DISABLED' });
    t.notThrows(() => openSession(target, { payloadProtocol: PROTOCOL }));
    const names = { serviceName: 'service', wantedVersion: '1.0.0' };
    await using direct = new BrokerPool({
      ...names,
      brokerEndpoint: FAKE_BROKER,
      identityFile: '/nowhere/service.identity.json',
    });
    t.notThrows(() => openSession(direct, { payloadProtocol: PROTOCOL }));
    t.throws(() => openSession(direct, { payloadProtocol: PROTOCOL, serviceName: 'other' }), {
      code: 'BROKER_DISABLED',
    });
    if (canShare) {
      await using shared = await connectSharedPool(direct.share());
      t.notThrows(() => openSession(shared, { payloadProtocol: PROTOCOL }));
    }
    const lent = { acquire: () => pool.acquire() };
    t.throws(() => openSession(lent, { payloadProtocol: PROTOCOL }), { code: 'BROKER_DISABLED' });
    process.env['RUNNING_PROCESS_DISABLE'] = 'yes';
    t.throws(() => openSession(pool, { payloadProtocol: PROTOCOL }), { code: 'BROKER_DISABLE_ENV' });
  },
);

test('trust is refused with a pool, which has its own', async (t) => {
  const { pool } = await startPooled(t);
  t.throws(() => openSession(pool, { payloadProtocol: PROTOCOL, trust: {} }), {
    message: /^trust has no effect/,
  });
});
