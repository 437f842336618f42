import type { MessagePort } from 'node:worker_threads';
import { monotonicNowMs } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import type { DescriptorCalls } from '../../os/descriptors.js';
import { systemFailure } from '../../os/errno.js';
import { copyOf } from '../../wire/bytes.js';
import { asPoolError } from '../acquire-errors.js';
import { heldBy, type Lease } from '../lease.js';
import type { AcquireOptions, TargetOptions } from '../options.js';
import { PooledConnection, type CloseReason } from '../pooled-connection.js';
import { errorToData } from './error-data.js';
import type { Holder, LentConnection } from './lent-connection.js';
import { Offers } from './offers.js';
import { parseClientMessage, SHARING_VERSION, type ClientMessage, type ConnectionInfo, type HostMessage } from './protocol.js';

type AcquireMessage = ClientMessage & { readonly kind: 'acquire' };
type ReleaseMessage = ClientMessage & { readonly kind: 'release' };

/** The pool, as those who acquire from other threads see it. */
export interface PoolToShare {
  tryAcquire(target?: TargetOptions): Lease | undefined;
  acquire(options?: AcquireOptions): Promise<Lease>;
}

/** What a remote client needs of the sharing it belongs to. */
export interface RemoteClientEnvironment {
  readonly pool: PoolToShare;
  readonly acquireTimeoutMs: number;
  lentConnection(connection: PooledConnection): LentConnection;
  onClosed(): void;
}

/** A lease that another thread has. */
interface RemoteLease {
  /** Not used, but kept: a handle that is collected counts as lost. */
  readonly lease: Lease;
  readonly lent: LentConnection;
  /** Where its descriptor was offered; -1 where the thread had a duplicate. */
  readonly slot: number;
  readonly greeted: boolean;
}

/**
 * One port of a shared pool, on the pool's thread: acquires leases on behalf of the thread at the other end, and gives back what that
 * one held when it dies.
 */
export class RemoteClient implements Holder {
  readonly #port: MessagePort;
  readonly #environment: RemoteClientEnvironment;
  readonly #offers: Offers;
  /** By the acquire's number; `undefined` for those that only end together. */
  readonly #waiting = new Map<number, AbortController | undefined>();
  readonly #closed = new AbortController();
  readonly #leases = new Map<number, RemoteLease>();
  /** Connections whose duplicates the thread has, and the number of the lease where it has one. */
  readonly #held = new Map<LentConnection, number | undefined>();
  #open = true;

  constructor(port: MessagePort, calls: DescriptorCalls, environment: RemoteClientEnvironment) {
    this.#port = port;
    this.#environment = environment;
    this.#offers = new Offers(calls, (ledger) => this.#post({ kind: 'page', ledger }));
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

  onGone(lent: LentConnection): void {
    const acquireId = this.#held.get(lent);
    this.#held.delete(lent);
    this.#post({ kind: 'gone', connectionId: lent.id });
    if (acquireId === undefined) return;
    const remote = this.#leases.get(acquireId);
    this.#leases.delete(acquireId);
    if (remote !== undefined && remote.slot >= 0) this.#offers.end(remote.slot);
    // Somebody on the pool's thread destroyed the socket, or the pool has ended and knows already.
    giveBack(lent, 'stale');
  }

  #onMessage(value: unknown): void {
    const message = parseClientMessage(value);
    if (message === undefined) return this.#onBrokenMessage();
    switch (message.kind) {
      case 'acquire':
        if (this.#waiting.has(message.acquireId) || this.#leases.has(message.acquireId)) return this.#onBrokenMessage();
        return this.#acquire(message);
      case 'abort':
        return this.#abort(message.acquireId);
      case 'release':
        return this.#release(message);
      case 'destroy':
        return this.#destroy(message.acquireId, message.reason);
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
    const { acquireId } = message;
    const connection = heldBy(lease);
    if (!(connection instanceof PooledConnection)) throw new Error('not a lease of this pool');
    if (connection.socket.destroyed) {
      // It died between being leased and now.
      connection.owner.onDestroy(connection, 'stale');
      return this.#acquire(message);
    }
    const lent = this.#environment.lentConnection(connection);
    const { id: connectionId } = lent;
    if (lent.isHeldBy(this)) {
      lent.lend();
      this.#begin(acquireId, { lease, lent, slot: -1, greeted: false });
      return this.#post({ kind: 'lease', acquireId, connectionId, slot: -1 });
    }
    const descriptor = lent.duplicateFor(this);
    if (descriptor < 0) {
      lease.release();
      return this.#fail(acquireId, handOverError(descriptor));
    }
    const slot = this.#offers.add(descriptor);
    const greeting = lent.lend();
    this.#begin(acquireId, { lease, lent, slot, greeted: greeting !== undefined });
    const token = connection.negotiation?.handoffToken;
    const handoffToken = token && copyOf(token);
    const described = { info: infoOf(connection, handoffToken), ...(greeting !== undefined && { greeting }) };
    this.#post({ kind: 'lease', acquireId, connectionId, slot, ...described }, handoffToken && [handoffToken.buffer]);
  }

  #begin(acquireId: number, remote: RemoteLease): void {
    this.#leases.set(acquireId, remote);
    this.#held.set(remote.lent, acquireId);
  }

  #release({ acquireId, kept, heard }: ReleaseMessage): void {
    const remote = this.#leases.get(acquireId);
    // Its connection may have closed while the message was on its way.
    if (remote === undefined) return;
    const { lent } = remote;
    const untaken = this.#over(acquireId, remote, kept);
    if (heard) lent.connection.heardElsewhere = true;
    // Nobody has read the greeting, and it cannot go back to where it was.
    giveBack(lent, untaken && remote.greeted ? 'dirty' : lent.takeBack());
  }

  #destroy(acquireId: number, reason: CloseReason): void {
    const remote = this.#leases.get(acquireId);
    if (remote === undefined) return;
    this.#over(acquireId, remote, false);
    giveBack(remote.lent, reason);
  }

  /** The lease is not the thread's any more. Returns whether the thread had never taken the descriptor. */
  #over(acquireId: number, { lent, slot }: RemoteLease, kept: boolean): boolean {
    this.#leases.delete(acquireId);
    const untaken = slot >= 0 && this.#offers.end(slot);
    if (kept && !untaken) {
      this.#held.set(lent, undefined);
    } else {
      this.#held.delete(lent);
      lent.forget(this);
    }
    return untaken;
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
    this.#end(new BrokerPoolError('WORKER_FAILED', 'a thread that shares the pool sent a message that makes no sense'), 'error');
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
    for (const [acquireId, remote] of Array.from(this.#leases)) {
      const untaken = this.#over(acquireId, remote, false);
      // A conversation that its thread broke off cannot be taken up by another; what nobody has taken has had none.
      giveBack(remote.lent, untaken && !remote.greeted ? remote.lent.takeBack() : 'leaked');
    }
    this.#giveBackAll('leaked');
    this.#offers.bury();
  }

  #giveBackAll(reason: CloseReason): void {
    for (const acquireId of Array.from(this.#waiting.keys())) this.#abort(acquireId);
    this.#closed.abort();
    for (const acquireId of Array.from(this.#leases.keys())) this.#destroy(acquireId, reason);
    for (const lent of this.#held.keys()) lent.forget(this);
    this.#held.clear();
    this.#environment.onClosed();
  }
}

/** @param problem why it cannot go to another caller */
function giveBack({ connection }: LentConnection, problem: CloseReason | undefined): void {
  if (problem === undefined) connection.owner.onRelease(connection);
  else connection.owner.onDestroy(connection, problem);
}

/** `undefined` where the pool's own target is meant: that way is shorter. */
function targetOf({ serviceName, wantedVersion }: AcquireMessage): TargetOptions | undefined {
  if (serviceName === undefined && wantedVersion === undefined) return undefined;
  return { ...(serviceName !== undefined && { serviceName }), ...(wantedVersion !== undefined && { wantedVersion }) };
}

function infoOf({ endpoint, route, negotiation }: PooledConnection, handoffToken: Uint8Array | undefined): ConnectionInfo {
  return { endpoint, route, negotiation: negotiation && { negotiated: negotiation.negotiated, handoffToken } };
}

function handOverError(result: number): BrokerPoolError {
  const system = systemFailure('fcntl', result);
  const cause = Object.assign(new Error(system.message), { code: system.code, syscall: system.syscall });
  return new BrokerPoolError('WORKER_FAILED', `failed to hand a connection over to another thread: ${system.message}`, { cause });
}
