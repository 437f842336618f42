import { AsyncLocalStorage } from 'node:async_hooks';
import { activeTraceContext } from '../../src/frames/trace-context.js';
import test from '../helpers/sanitary.js';
import { bytes, openDirect, startBackend } from './kit.js';

const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

interface Span {
  spanContext(): object;
}

/** What the API's global holds where a program has registered a context manager. */
const active = new AsyncLocalStorage<Span>();
const manager = {
  active: () => ({ getValue: (key: symbol) => (key === SPAN ? active.getStore() : undefined) }),
};

function span(fields: object): Span {
  return { spanContext: () => ({ traceId, spanId, traceFlags: 1, ...fields }) };
}

test.before(() => {
  Reflect.set(globalThis, API, { version: '1.9.0', context: manager });
});
test.after.always(() => {
  Reflect.deleteProperty(globalThis, API);
});

test('a request carries the trace context of the active span', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend);
  const traceState = { serialize: () => 'vendor=1' };
  await active.run(span({ traceState }), () => session.request(bytes('x')));
  await session.request(bytes('y'));
  t.like(backend.requests[0], { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1' });
  t.like(backend.requests[1], { traceparent: '', tracestate: '' });
});

test('a given traceparent stands in place of the active span, with its own tracestate (S-58)', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend);
  await active.run(span({ traceState: { serialize: () => 'vendor=1' } }), () =>
    session.request(bytes('x'), { traceparent: 'any text' }),
  );
  t.like(backend.requests[0], { traceparent: 'any text', tracestate: '' });
});

test('flags are two digits, and a span that is not sampled says so', (t) => {
  t.is(
    active.run(span({ traceFlags: 0 }), () => activeTraceContext()).traceparent,
    `00-${traceId}-${spanId}-00`,
  );
});

test('an invalid span, and a manager that throws, give no trace context', (t) => {
  const none = { traceparent: '', tracestate: '' };
  for (const fields of [
    { traceId: '0'.repeat(32) },
    { spanId: '0'.repeat(16) },
    { traceId: 'x' },
    { spanId: 5 },
  ])
    t.deepEqual(
      active.run(span(fields), () => activeTraceContext()),
      none,
    );
  const throwing = {
    spanContext(): object {
      throw new Error('broken');
    },
  };
  t.deepEqual(
    active.run(throwing, () => activeTraceContext()),
    none,
  );
});

test('answers arrive in the context of their caller', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const store = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((number) =>
      store.run(number, async () => {
        await session.request(bytes('x'));
        return store.getStore();
      }),
    ),
  );
  t.deepEqual(seen, [1, 2, 3]);
});
