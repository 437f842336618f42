import type { MessagePort } from 'node:worker_threads';
import { monotonicNowMs } from '../../../clock.js';
import { BrokerPoolError } from '../../../errors.js';
import type { DescriptorCalls } from '../../../os/descriptors.js';
import { asPoolError } from '../../acquire-errors.js';
import { heldBy, type Lease } from '../../lease.js';
import type { AcquireOptions, TargetOptions } from '../../options.js';
import { PooledConnection, type CloseReason } from '../../pooled-connection.js';
import { errorToData } from '../error-data.js';
import type { HostConnection } from './host-connection.js';
import { parseClientMessage, SHARING_VERSION, type ClientMessage, type HostMessage } from '../protocol.js';
import { HostLeases } from './host-leases.js';

type AcquireMessage = ClientMessage & { readonly kind: 'acquire' };

/** The pool, as those who acquire from other threads see it. */
export interface PoolToShare {
  tryAcquire(target?: TargetOptions): Lease | undefined;
  acquire(options?: AcquireOptions): Promise<Lease>;
}

/** What a remote client needs of the sharing it belongs to. */
export interface HostPortEnvironment {
  readonly pool: PoolToShare;
  readonly acquireTimeoutMs: number;
  hostConnection(connection: PooledConnection): HostConnection;
  onClosed(): void;
}

/**
 * One port of a shared pool, on the pool's thread: acquires leases on behalf of the thread at the other end,
 * and has what that one held given back when it dies.
 */
export class HostPort {
  readonly #port: MessagePort;
  readonly #environment: HostPortEnvironment;
  readonly #leases: HostLeases;
  /** By the acquire's number; `undefined` for those that only end together. */
  readonly #waiting = new Map<number, AbortController | undefined>();
  readonly #closed = new AbortController();
  #open = true;

  constructor(port: MessagePort, calls: DescriptorCalls, environment: HostPortEnvironment) {
    this.#port = port;
    this.#environment = environment;
    this.#leases = new HostLeases(calls, (message, moved) => this.#post(message, moved));
    this.#post({ kind: 'welcome', version: SHARING_VERSION, acquireTimeoutMs: environment.acquireTimeoutMs });
    port.on('message', (value: unknown) => this.#onMessage(value));
    port.on('messageerror', () => this.#onBrokenMessage());
    port.on('close', () => this.#onPortClosed());
    // Whoever waits at the other end keeps the process alive.
    port.unref();
  }

  /** Serves the port no longer, and tells the thread why. */
  end(reason: BrokerPoolError): void {
    this.#end(reason, 'poolClosed');
  }

  #onMessage(value: unknown): void {
    const message = parseClientMessage(value);
    if (message === undefined) return this.#onBrokenMessage();
    switch (message.kind) {
      case 'acquire':
        if (this.#waiting.has(message.acquireId) || this.#leases.has(message.acquireId))
          return this.#onBrokenMessage();
        return this.#acquire(message);
      case 'abort':
        return this.#abort(message.acquireId);
      case 'release':
        return this.#leases.release(message);
      case 'destroy':
        return this.#leases.destroy(message.acquireId, message.reason);
      case 'leave':
        return this.#onLeave();
    }
  }

  #acquire(message: AcquireMessage): void {
    const { acquireId } = message;
    try {
      const lease = this.#environment.pool.tryAcquire(targetOf(message));
      if (lease === undefined) void this.#wait(message);
      else this.#lend(message, lease);
    } catch (error) {
      this.#fail(acquireId, error);
    }
  }

  async #wait(message: AcquireMessage): Promise<void> {
    const { acquireId, abortable, askedAtMs } = message;
    const aborter = abortable ? new AbortController() : undefined;
    this.#waiting.set(acquireId, aborter);
    // In whole milliseconds, since the clocks of threads agree no better.
    const delayMs = Math.max(0, Math.floor(monotonicNowMs() - askedAtMs));
    const timeoutMs = delayMs === 0 ? message.timeoutMs : Math.max(1, message.timeoutMs - delayMs);
    const options = { ...targetOf(message), timeoutMs, signal: (aborter ?? this.#closed).signal };
    const outcome = await this.#environment.pool.acquire(options).catch(asPoolError);
    const wanted = this.#waiting.delete(acquireId);
    if (outcome instanceof BrokerPoolError) {
      if (wanted) this.#fail(acquireId, outcome);
    } else if (wanted) {
      this.#lend(message, outcome);
    } else {
      outcome.release();
    }
  }

  #abort(acquireId: number): void {
    const aborter = this.#waiting.get(acquireId);
    this.#waiting.delete(acquireId);
    aborter?.abort();
  }

  #lend(message: AcquireMessage, lease: Lease): void {
    const connection = heldBy(lease);
    if (!(connection instanceof PooledConnection)) throw new Error('not a lease of this pool');
    if (connection.socket.destroyed) {
      // It died between being leased and now.
      connection.owner.onDestroy(connection, 'stale');
      return this.#acquire(message);
    }
    const error = this.#leases.lend(message.acquireId, lease, this.#environment.hostConnection(connection));
    if (error !== undefined) this.#fail(message.acquireId, error);
  }

  #fail(acquireId: number, error: unknown): void {
    this.#post({ kind: 'failed', acquireId, error: errorToData(asPoolError(error)) });
  }

  /** @param moved memory that goes along instead of being copied */
  #post(message: HostMessage, moved: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, moved);
  }

  /** Nothing that comes from there can be relied on any more, and least of all its leases. */
  #onBrokenMessage(): void {
    this.#end(
      new BrokerPoolError(
        'WORKER_FAILED',
        'a thread that shares the pool sent a message that makes no sense',
      ),
      'error',
    );
  }

  #end(reason: BrokerPoolError, closeReason: CloseReason): void {
    if (!this.#open) return;
    this.#open = false;
    this.#post({ kind: 'ended', error: errorToData(reason) });
    this.#port.close();
    this.#giveBackAll(closeReason);
  }

  #onLeave(): void {
    this.#open = false;
    this.#port.close();
    this.#giveBackAll('destroyed');
  }

  /** The thread has ended, or closed the port. */
  #onPortClosed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#leases.abandon();
    this.#giveBackAll('leaked');
    this.#leases.reclaimAll();
  }

  #giveBackAll(reason: CloseReason): void {
    for (const acquireId of Array.from(this.#waiting.keys())) this.#abort(acquireId);
    this.#closed.abort();
    this.#leases.destroyAll(reason);
    this.#environment.onClosed();
  }
}

/** `undefined` where the pool's own target is meant: that way is shorter. */
function targetOf({ serviceName, wantedVersion }: AcquireMessage): TargetOptions | undefined {
  if (serviceName === undefined && wantedVersion === undefined) return undefined;
  return {
    ...(serviceName !== undefined && { serviceName }),
    ...(wantedVersion !== undefined && { wantedVersion }),
  };
}
