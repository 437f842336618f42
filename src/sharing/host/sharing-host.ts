import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { outOfContext } from '../../async-context.js';
import { monotonicNowMs } from '../../clock.js';
import { errorToData } from '../../error-data.js';
import { BrokerPoolError } from '../../errors.js';
import { loadDescriptorCalls, type DescriptorCalls } from '../../os/descriptors.js';
import { asPoolError } from '../../pool/acquire-errors.js';
import { heldBy, type Lease } from '../../pool/lease.js';
import type { LeasingPool } from '../../pool/leasing-pool.js';
import type { TargetOptions } from '../../pool/options.js';
import type { CloseReason } from '../../pool/close-reason.js';
import { PooledConnection } from '../../pool/pooled-connection.js';
import { LeaseLog } from '../lease-log.js';
import { HostConnection } from './host-connection.js';
import {
  isClientMessage,
  SHARING_VERSION,
  type ClientMessage,
  type HostMessage,
  type SharedDefaults,
} from '../protocol.js';
import { HostLeases } from './host-leases.js';

type AcquireMessage = ClientMessage & { readonly kind: 'acquire' };

/**
 * One port of a shared pool, on the pool's thread: acquires leases for the client at the other end, and gives
 * them back to the pool when that client ends.
 */
export class HostPort {
  readonly #port: MessagePort;
  readonly #calls: DescriptorCalls;
  readonly #pool: Required<LeasingPool>;
  readonly #leases: HostLeases;
  readonly #log = new LeaseLog();
  /** By the acquire's number; `undefined` for acquires without a signal of their own. */
  readonly #waiting = new Map<number, AbortController | undefined>();
  readonly #closed = new AbortController();
  #open = true;

  constructor(
    port: MessagePort,
    calls: DescriptorCalls,
    pool: Required<LeasingPool>,
    defaults: SharedDefaults,
  ) {
    this.#port = port;
    this.#calls = calls;
    this.#pool = pool;
    this.#leases = new HostLeases(calls, (message, moved) => this.#post(message, moved));
    const { ledger } = this.#leases;
    const { memory: log } = this.#log;
    this.#post({ kind: 'welcome', version: SHARING_VERSION, ledger, log, ...defaults });
    port.on('message', (value: unknown) => this.#onMessage(value));
    port.on('messageerror', () => this.#onBrokenMessage());
    port.on('close', () => this.#onPortClosed());
    // Unref'd: a caller that waits at the other end keeps the process alive.
    port.unref();
  }

  /** Connections are about to close, since the pool ends. */
  markEnded(): void {
    this.#log.markEnded();
  }

  end(reason: BrokerPoolError): void {
    this.#cutOff(reason, 'poolClosed');
  }

  #onMessage(message: unknown): void {
    if (!isClientMessage(message)) return this.#onBrokenMessage();
    this.#log.read(this.#onRelease, this.#onClaim);
    if (!this.#open) return;
    switch (message.kind) {
      case 'read':
        return;
      case 'acquire':
        if (this.#waiting.has(message.acquireId) || this.#leases.has(message.acquireId))
          return this.#onBrokenMessage();
        return this.#acquire(message);
      case 'claimed':
        this.#log.countMessage();
        return this.#onClaim(message.acquireId, message.connectionId);
      case 'abort':
        return this.#abort(message.acquireId);
      case 'release':
        this.#log.countMessage();
        return this.#onRelease(message.acquireId, message.kept, message.everReceived, message.turn);
      case 'detach':
        return this.#leases.detach(message.acquireId);
      case 'destroy':
        return this.#leases.destroy(message.acquireId, message.reason);
      case 'leave':
        return this.#onLeave();
    }
  }

  readonly #onRelease = (acquireId: number, kept: boolean, everReceived: boolean, turn: number): void => {
    if (this.#open) this.#leases.release(acquireId, kept, everReceived, turn);
  };

  readonly #onClaim = (acquireId: number, connectionId: number): void => {
    if (!this.#open) return;
    const isKnown = this.#waiting.has(acquireId) || this.#leases.has(acquireId);
    if (isKnown || !this.#leases.claim(acquireId, connectionId)) this.#onBrokenMessage();
  };

  #acquire(message: AcquireMessage): void {
    const { acquireId } = message;
    try {
      const lease = this.#pool.tryAcquire(targetOf(message));
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
    // In whole milliseconds: the clocks of two threads agree no better.
    const delayMs = Math.max(0, Math.floor(monotonicNowMs() - askedAtMs));
    const timeoutMs = delayMs === 0 ? message.timeoutMs : Math.max(1, message.timeoutMs - delayMs);
    const options = { ...targetOf(message), timeoutMs, signal: (aborter ?? this.#closed).signal };
    const outcome = await this.#pool.acquire(options).catch(asPoolError);
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
    if (this.#waiting.delete(acquireId)) this.#log.countAnswer();
    aborter?.abort();
  }

  #lend(message: AcquireMessage, lease: Lease): void {
    const connection = heldBy(lease);
    if (!(connection instanceof PooledConnection)) throw new Error('not a lease of this pool');
    if (connection.socket.destroyed) {
      // The connection has died since the pool leased it.
      connection.owner.onDestroy(connection, 'stale');
      return this.#acquire(message);
    }
    const error = this.#leases.lend(message.acquireId, lease, HostConnection.of(connection, this.#calls));
    if (error === undefined) this.#log.countAnswer();
    else this.#fail(message.acquireId, error);
  }

  #fail(acquireId: number, error: unknown): void {
    this.#log.countAnswer();
    this.#post({ kind: 'failed', acquireId, error: errorToData(asPoolError(error)) });
  }

  /** @param moved memory that is moved instead of copied */
  #post(message: HostMessage, moved: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, moved);
  }

  /** A client with a bug: its leases cannot be relied on either. */
  #onBrokenMessage(): void {
    const message = 'a thread that shares the pool sent a message that makes no sense';
    this.#cutOff(new BrokerPoolError('WORKER_FAILED', message), 'error');
  }

  #cutOff(reason: BrokerPoolError, closeReason: CloseReason): void {
    if (!this.#open) return;
    this.#post({ kind: 'ended', error: errorToData(reason) });
    this.#close();
    this.#leases.destroyAll(closeReason);
  }

  #onLeave(): void {
    this.#close();
    this.#leases.destroyAll('destroyed');
  }

  /** The client has ended, or closed the port. */
  #onPortClosed(): void {
    if (!this.#open) return;
    this.#log.read(this.#onRelease, this.#onClaim);
    this.#close();
    this.#leases.abandon();
  }

  #close(): void {
    this.#open = false;
    this.#port.close();
    for (const acquireId of Array.from(this.#waiting.keys())) this.#abort(acquireId);
    this.#closed.abort();
  }
}

/** `undefined` for the pool's own target, which costs the pool less. */
function targetOf({ serviceName, wantedVersion }: AcquireMessage): TargetOptions | undefined {
  if (serviceName === undefined && wantedVersion === undefined) return undefined;
  return { serviceName, wantedVersion };
}

/** The pool's side of sharing: one {@link HostPort} for each port. */
export class SharingHost {
  readonly #pool: Required<LeasingPool>;
  readonly #defaults: SharedDefaults;
  readonly #calls: DescriptorCalls;
  readonly #ports = new Set<HostPort>();

  /** @throws {BrokerPoolError} `WORKER_FAILED` where descriptors cannot cross threads */
  constructor(pool: Required<LeasingPool>, defaults: SharedDefaults) {
    const calls = loadDescriptorCalls();
    if (calls === undefined) {
      const needs = 'that needs Linux or macOS, and koffi (BROKER_POOL_FFI=0 switches it off)';
      const message = `connections cannot be shared between threads here: ${needs}`;
      throw new BrokerPoolError('WORKER_FAILED', message);
    }
    this.#pool = pool;
    const { acquireTimeoutMs, brokerEndpoint, serviceName, wantedVersion, identityFile } = defaults;
    this.#defaults = { acquireTimeoutMs, brokerEndpoint, serviceName, wantedVersion, identityFile };
    this.#calls = calls;
  }

  open(): MessagePort {
    // A port runs its callbacks in the context in which it is made.
    return outOfContext(() => {
      const { port1, port2 } = new MessageChannel();
      const port = new HostPort(port1, this.#calls, this.#pool, this.#defaults);
      this.#ports.add(port);
      port1.on('close', () => this.#ports.delete(port));
      return port2;
    });
  }

  /** As {@link HostPort.markEnded}. */
  markEnded(): void {
    for (const port of this.#ports) port.markEnded();
  }

  end(reason: BrokerPoolError): void {
    for (const port of this.#ports) port.end(reason);
  }
}
