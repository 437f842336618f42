/** W3C trace context, as it stands in a frame. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate: string;
}

const NONE: TraceContext = { traceparent: '', tracestate: '' };

/**
 * Where every copy of `@opentelemetry/api` 1.x keeps what the program has registered, and under which key a
 * context holds its span. Read here without the package, so that a program without it loads nothing.
 */
const API = Symbol.for('opentelemetry.js.api.1');
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** The trace context of the active OpenTelemetry span; empty where there is none, or where asking for it fails. */
export function activeTraceContext(): TraceContext {
  // Most programs have none, and to hear that from Reflect.get takes twenty times as long.
  if (!(API in globalThis)) return NONE;
  const api: unknown = Reflect.get(globalThis, API);
  try {
    const context = call(member(api, 'context'), 'active');
    const span = call(call(context, 'getValue', SPAN), 'spanContext');
    const traceId = member(span, 'traceId');
    const spanId = member(span, 'spanId');
    if (typeof traceId !== 'string' || typeof spanId !== 'string') return NONE;
    if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return NONE;
    const flags = Number(member(span, 'traceFlags')) & 0xff;
    const state = call(member(span, 'traceState'), 'serialize');
    return {
      traceparent: `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`,
      tracestate: typeof state === 'string' ? state : '',
    };
  } catch {
    // A context manager that throws must not fail a request.
    return NONE;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function call(value: unknown, name: string, ...parameters: readonly unknown[]): unknown {
  const method = member(value, name);
  return typeof method === 'function' ? Reflect.apply(method, value, parameters) : undefined;
}
