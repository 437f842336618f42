import type { EventEmitter } from 'node:events';
import {
  context,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { BrokerPoolFailure } from '../errors.js';
import type { BrokerPool } from '../broker-pool.js';
import { Fifo, type Queued } from '../fifo.js';
import { IdTable, type Numbered } from '../id-table.js';
import type { ConnectionCreatedEvent, PoolEventName, PoolEvents } from '../pool/watching/events.js';
import type { Target } from '../target.js';

/** An acquire under way. */
interface AcquireSpan extends Numbered<AcquireSpan>, Queued<AcquireSpan> {
  readonly span: Span;
  /** The caller's context. */
  readonly context: Context;
  readonly target: Target;
}

/**
 * Makes a span of each acquire and each connect of a pool, until the pool has closed. An acquire's parent is its
 * caller's active span. A connect belongs to the pool: its parent is the acquire that has waited longest without a
 * connect, and it begins a trace where no caller waits.
 */
export class PoolSpans {
  readonly #pool: BrokerPool;
  readonly #tracer: Tracer;
  readonly #acquires = new IdTable<AcquireSpan>();
  /** Acquires for which no connect has begun, by target, in their order. */
  readonly #unserved = new WeakMap<Target, Fifo<AcquireSpan>>();
  readonly #connects = new Map<number, Span>();
  readonly #removals: (() => void)[] = [];

  constructor(pool: BrokerPool, tracer: Tracer) {
    this.#pool = pool;
    this.#tracer = tracer;
    this.#listen('acquireStarted', ({ acquireId, target }) => this.#beginAcquire(acquireId, target));
    this.#listen('acquired', ({ acquireId, connectionId, route }) =>
      this.#endAcquire(acquireId, { 'broker_pool.connection.id': connectionId, 'broker_pool.route': route }),
    );
    this.#listen('acquireFailed', ({ acquireId, error }) => this.#endAcquire(acquireId, {}, error));
    this.#listen('connectionCreated', (event) => this.#beginConnect(event));
    this.#listen('connectRetrying', ({ connectionId, attempt, delayMs, error }) =>
      this.#connects.get(connectionId)?.addEvent('broker_pool.retry', {
        'broker_pool.attempt': attempt,
        'broker_pool.delay': delayMs / 1_000,
        'error.type': error.code,
      }),
    );
    this.#listen('connectionReady', ({ connectionId, route, endpoint }) =>
      this.#endConnect(connectionId, {
        'broker_pool.route': route,
        'network.transport': process.platform === 'win32' ? 'pipe' : 'unix',
        'network.peer.address': endpoint,
        'server.address': endpoint,
      }),
    );
    this.#listen('connectionClosed', ({ connectionId, wasReady, error }) => {
      if (!wasReady) this.#endConnect(connectionId, {}, error);
    });
    this.#listen('closed', () => this.stop());
  }

  /** Removes the listeners, and ends the spans under way: a span that does not end is never exported. */
  stop(): void {
    for (const remove of this.#removals.splice(0)) remove();
    for (const { id } of this.#acquires.items()) this.#acquires.take(id)?.span.end();
    for (const span of this.#connects.values()) span.end();
    this.#connects.clear();
  }

  #listen<Name extends PoolEventName>(name: Name, listener: (event: PoolEvents[Name]) => void): void {
    const emitter: EventEmitter = this.#pool;
    emitter.on(name, listener);
    this.#removals.push(() => emitter.off(name, listener));
  }

  /** The listener of this event runs in the context of the caller. */
  #beginAcquire(acquireId: number, target: Target): void {
    const active = context.active();
    const options = { kind: SpanKind.INTERNAL, attributes: this.#attributesOf(target) };
    const span = this.#tracer.startSpan('broker_pool.acquire', options, active);
    const acquire: AcquireSpan = {
      id: acquireId,
      span,
      context: active,
      target,
      nextInPlace: undefined,
      previous: undefined,
      next: undefined,
      queue: undefined,
    };
    this.#acquires.add(acquire);
    let others = this.#unserved.get(target);
    if (others === undefined) this.#unserved.set(target, (others = new Fifo()));
    others.push(acquire);
  }

  #endAcquire(acquireId: number, attributes: Attributes, error?: BrokerPoolFailure): void {
    const acquire = this.#acquires.take(acquireId);
    // The acquire began before there were listeners.
    if (acquire === undefined) return;
    this.#forget(acquire);
    end(acquire.span, attributes, error);
  }

  /** The acquire no longer waits for a connect to begin. */
  #forget(acquire: AcquireSpan): void {
    this.#unserved.get(acquire.target)?.remove(acquire);
  }

  #beginConnect({ connectionId, target }: ConnectionCreatedEvent): void {
    const acquire = this.#unserved.get(target)?.first;
    if (acquire !== undefined) this.#forget(acquire);
    const { brokerEndpoint } = target;
    const attributes = {
      ...this.#attributesOf(target),
      'broker_pool.connection.id': connectionId,
      ...(brokerEndpoint !== '' && { 'broker_pool.broker.endpoint': brokerEndpoint }),
    };
    const options = { kind: SpanKind.CLIENT, attributes, root: acquire === undefined };
    const parent = acquire && trace.setSpan(acquire.context, acquire.span);
    this.#connects.set(connectionId, this.#tracer.startSpan('broker_pool.connect', options, parent));
  }

  #endConnect(connectionId: number, attributes: Attributes, error?: BrokerPoolFailure): void {
    const span = this.#connects.get(connectionId);
    this.#connects.delete(connectionId);
    if (span !== undefined) end(span, attributes, error);
  }

  #attributesOf({ serviceName, wantedVersion }: Target): Attributes {
    return {
      'db.client.connection.pool.name': this.#pool.name,
      'broker_pool.target.service': serviceName,
      'broker_pool.target.version': wantedVersion,
    };
  }
}

function end(span: Span, attributes: Attributes, error: BrokerPoolFailure | undefined): void {
  span.setAttributes(attributes);
  if (error !== undefined) {
    span.setAttribute('error.type', error.code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}
