import { join } from 'node:path';
import { context, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { BrokerPool } from '../../src/index.js';
import { instrument } from '../../src/metrics/opentelemetry.js';
import { FAKE_BROKER } from '../helpers/endpoints.js';
import { fakePool, settled } from '../helpers/fake-pool.js';
import { failureOf } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

test.before(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
test.after.always(() => context.disable());

/** A real SDK that keeps the spans that have ended. */
function openSdk(pool: BrokerPool): {
  tracer: Tracer;
  ended: (name: string) => ReadableSpan[];
  stop: () => void;
} {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const instrumentation = instrument(pool, { tracerProvider, spans: true });
  const ended = (name: string): ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => span.name === `broker_pool.${name}`);
  return { tracer: tracerProvider.getTracer('test'), ended, stop: () => instrumentation.stop() };
}

/** Runs code within a span of its own, and says which span that was. */
async function within<T>(tracer: Tracer, work: () => Promise<T>): Promise<[string, T]> {
  return await tracer.startActiveSpan('caller', async (span): Promise<[string, T]> => {
    try {
      return [span.spanContext().spanId, await work()];
    } finally {
      span.end();
    }
  });
}

const parentOf = (span: ReadableSpan | undefined): string | undefined => span?.parentSpanContext?.spanId;

test('the span of an acquire is a child of its caller, that of its connect a child of the acquire', async (t) => {
  const { pool, connect } = fakePool(t);
  const { tracer, ended } = openSdk(pool);
  const calling = within(tracer, () => pool.acquire());
  await connect();
  const [caller, lease] = await calling;
  const { endpoint } = lease;
  lease.release();
  const [acquire] = ended('acquire');
  const [connectSpan] = ended('connect');
  t.is(parentOf(acquire), caller);
  t.is(parentOf(connectSpan), acquire?.spanContext().spanId);
  t.deepEqual([acquire?.kind, connectSpan?.kind], [SpanKind.INTERNAL, SpanKind.CLIENT]);
  t.like(acquire?.attributes, {
    'db.client.connection.pool.name': pool.name,
    'broker_pool.target.service': 'demo',
    'broker_pool.target.version': '1.0.0',
    'broker_pool.connection.id': 1,
    'broker_pool.route': 'broker-negotiated',
  });
  t.like(connectSpan?.attributes, {
    'db.client.connection.pool.name': pool.name,
    'broker_pool.connection.id': 1,
    'broker_pool.route': 'broker-negotiated',
    'network.transport': process.platform === 'win32' ? 'pipe' : 'unix',
    'network.peer.address': endpoint,
    'server.address': endpoint,
  });
  t.is(acquire?.status.code, SpanStatusCode.UNSET);
});

test('the span of a connect names the broker where there is one', async (t) => {
  const { pool, connect } = fakePool(t);
  const { ended } = openSdk(pool);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  const identityFile = join(temporaryDirectory(t), 'missing.identity.json');
  const brokerless = new BrokerPool({ serviceName: 'demo', wantedVersion: '1.0.0', identityFile });
  const other = openSdk(brokerless);
  await t.throwsAsync(brokerless.acquire({ timeoutMs: 60_000 }), { code: 'IDENTITY_FILE' });
  await brokerless.close();
  const name = 'broker_pool.broker.endpoint';
  t.is(ended('connect')[0]?.attributes[name], FAKE_BROKER);
  t.is(other.ended('connect').length, 1);
  t.false(name in (other.ended('connect')[0]?.attributes ?? {}));
});

test('the acquire of an idle connection has a span, and no connect', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  const { tracer, ended } = openSdk(pool);
  const [caller, lease] = await within(tracer, () => pool.acquire());
  lease.release();
  t.deepEqual(ended('acquire').map(parentOf), [caller]);
  t.deepEqual(ended('connect'), []);
});

test('each of several callers is the parent of its own acquire, and each connect goes to the first without one', async (t) => {
  const { pool, connect } = fakePool(t, { max: 2 });
  const { tracer, ended } = openSdk(pool);
  const calls = [1, 2, 3].map(() => within(tracer, async () => (await pool.acquire()).connectionId));
  await connect();
  await connect();
  await settled();
  t.is(ended('connect').length, 2);
  t.deepEqual(
    ended('connect').map(parentOf),
    ended('acquire').map((span) => span.spanContext().spanId),
  );
  const callers = await Promise.all(calls.slice(0, 2));
  t.deepEqual(
    ended('acquire').map(parentOf),
    callers.map(([caller]) => caller),
  );
  await pool.destroy();
  for (const call of calls.slice(2)) await t.throwsAsync(call);
});

test('a connect that no caller waits for begins a trace of its own', async (t) => {
  const { pool, connect, driver } = fakePool(t, { min: 1 });
  const { ended } = openSdk(pool);
  await settled();
  t.is(driver.pending.size, 1);
  await connect();
  t.deepEqual(ended('connect').map(parentOf), [undefined]);
});

test('a failure is in the span: the code as error.type, and the message', async (t) => {
  const { pool, fail } = fakePool(t);
  const { ended } = openSdk(pool);
  const failing = failureOf(pool.acquire());
  await fail();
  const { code, message } = await failing;
  t.is(code, 'BROKER_CONNECT');
  const [acquire] = ended('acquire');
  t.deepEqual(acquire?.status, { code: SpanStatusCode.ERROR, message });
  t.is(acquire?.attributes['error.type'], code);
  const [connect] = ended('connect');
  t.is(connect?.attributes['error.type'], code);
  t.is(connect?.status.code, SpanStatusCode.ERROR);
});

test('an attempt that is tried again is an event in the span of the connect', async (t) => {
  const { pool, connect, fail, pass } = fakePool(t);
  const { ended } = openSdk(pool);
  const acquiring = pool.acquire();
  await fail({
    code: 'REFUSED',
    message: 'rate limited',
    refusalKind: 'rateLimited',
    refusalCode: 5,
    retryAfterMs: 10,
  });
  await pass(1_000);
  await connect();
  (await acquiring).release();
  const [span] = ended('connect');
  t.is(span?.status.code, SpanStatusCode.UNSET);
  t.is(span?.events.length, 1);
  t.like(span?.events[0], {
    name: 'broker_pool.retry',
    attributes: { 'broker_pool.attempt': 1, 'error.type': 'REFUSED' },
  });
});

test('a stopped instrumentation ends the spans under way and leaves no listener', async (t) => {
  const { pool, connect } = fakePool(t);
  const before = pool.eventNames();
  const { ended, stop } = openSdk(pool);
  t.notDeepEqual(pool.eventNames(), before);
  const acquiring = pool.acquire();
  stop();
  t.deepEqual([ended('acquire').length, ended('connect').length], [1, 1]);
  t.deepEqual(pool.eventNames(), before);
  await connect();
  (await acquiring).release();
  t.deepEqual([ended('acquire').length, ended('connect').length], [1, 1]);
});

test('a pool that has closed has no listener left', async (t) => {
  const { pool } = fakePool(t);
  const before = pool.eventNames();
  openSdk(pool);
  await pool.close();
  t.deepEqual(pool.eventNames(), before);
});

test('an acquire that began before the instrumentation has no span', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  const { ended } = openSdk(pool);
  await connect();
  (await acquiring).release();
  t.deepEqual([...ended('acquire'), ...ended('connect')], []);
});

test.serial('the global tracer provider is the default', async (t) => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  t.teardown(() => trace.disable());
  const { pool, connect } = fakePool(t);
  const instrumentation = instrument(pool, { spans: true });
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  instrumentation.stop();
  t.deepEqual(
    exporter.getFinishedSpans().map(({ name }) => name),
    ['broker_pool.connect', 'broker_pool.acquire'],
  );
});
