import type { Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { abortedError, failOnAbort, hasAborted } from '../../abort.js';
import { outOfContext } from '../../async-context.js';
import { rejectionOf } from '../../caller-stack.js';
import { monotonicNowMs, systemClock } from '../../clock.js';
import { DeadlineTimer, type Timed } from '../../deadline-queue.js';
import { errorFromData, type ErrorData } from '../../error-data.js';
import { BrokerPoolError } from '../../errors.js';
import { explainedError, type Tried } from '../../explained-error.js';
import { IdTable, type Numbered } from '../../id-table.js';
import { ABORTED, asPoolError } from '../../pool/acquire-errors.js';
import { noteDefaults } from '../../broker-need.js';
import { resolveBy, type Lease, type ResolvedBackend } from '../../pool/lease.js';
import { useLease } from '../../pool/leasing-pool.js';
import {
  checkAcquireOptions,
  checkCloseOptions,
  type AcquireOptions,
  type CloseOptions,
} from '../../pool/options.js';
import { LeaseLog } from '../lease-log.js';
import type { HostMessage, Welcome } from '../protocol.js';
import { ClientLeases, type LeaseMessage } from './client-leases.js';
import { HostLink, type AskedAcquire } from './host-link.js';

/** How long after a deadline the pool's thread may answer: it knows why an acquire timed out, unlike this thread. */
const ANSWER_GRACE_MS = 100;

/** An acquire that waits for the answer of the pool's thread. */
interface PendingAcquire extends Timed, AskedAcquire, Numbered<PendingAcquire> {
  readonly resolve: (lease: Lease | Promise<never>) => void;
  /** Removes the abort listener. */
  stopListening: (() => void) | undefined;
}

/**
 * The pool of another thread of this process: its limits, queue, endpoint cache and connections, with sockets
 * that live in this thread. Made by `connectSharedPool`.
 *
 * A lease and a waiting caller keep the thread alive; an idle shared pool does not.
 */
export class SharedPool implements AsyncDisposable {
  readonly #port: MessagePort;
  readonly #defaults: Welcome;
  readonly #pending = new IdTable<PendingAcquire>();
  readonly #deadlines = new DeadlineTimer<PendingAcquire>(systemClock, (acquire) => this.#onDue(acquire));
  readonly #host: HostLink;
  readonly #leases: ClientLeases;
  #lastAcquireId = 0;
  #busy = false;
  #connected = true;
  /** Why `acquire` rejects. */
  #refusal: ErrorData | undefined;
  #closed: Promise<void> | undefined;
  #onQuiet: (() => void) | undefined;

  /**
   * @param welcome which the caller has taken out of the port
   * @internal
   */
  constructor(port: MessagePort, welcome: Welcome) {
    this.#port = port;
    this.#defaults = welcome;
    noteDefaults(this, welcome);
    this.#host = new HostLink(port, new LeaseLog(welcome.log));
    this.#leases = new ClientLeases(welcome.ledger, this.#host, () => this.#onChange());
    port.on('message', (message: HostMessage) => outOfContext(() => this.#onMessage(message)));
    port.on('close', () =>
      this.#end({ code: 'POOL_CLOSED', message: 'the thread of the pool has ended, or the port was closed' }),
    );
    port.unref();
  }

  /**
   * A ready connection: an idle one, else a new one, else one that comes back. The pool serves the callers of
   * all threads in their order.
   *
   * @throws {BrokerPoolError} as `BrokerPool.acquire`; `TIMEOUT` also when the pool's thread does not answer;
   * `WORKER_FAILED` when a connection cannot be handed over
   */
  acquire(options: AcquireOptions = {}): Promise<Lease> {
    try {
      checkAcquireOptions(options);
      const { signal } = options;
      const failure =
        signal !== undefined && hasAborted(signal)
          ? abortedError(signal, ABORTED)
          : this.#refusal && errorFromData(this.#refusal);
      if (failure !== undefined) throw explainedError(failure, this.#tried(options, 0));
      // No caller is overtaken: one whose acquire is answered does not wait for a connection that is claimed here.
      const mayClaim = this.#pending.size === 0 || this.#host.isAnswered;
      const lease = mayClaim ? this.#leases.claim(++this.#lastAcquireId, options) : undefined;
      if (lease === undefined) return this.#ask(options);
      this.#onChange();
      return Promise.resolve(lease);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Runs `work` with a lease: releases it afterwards, or destroys it when `work` throws.
   */
  use<T>(work: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return useLease(this, work, options);
  }

  /** A socket that the caller has for good: see `BrokerPool.connect`. */
  async connect(options?: AcquireOptions): Promise<Socket> {
    return (await this.acquire(options)).detach();
  }

  /** Where the backend listens: see `BrokerPool.resolve`. It takes a lease, and releases it. */
  async resolve(options?: AcquireOptions): Promise<ResolvedBackend> {
    return resolveBy(await this.acquire(options));
  }

  /**
   * Ends this thread's part; the pool goes on. Waiting callers are served and leases may come back; after
   * `timeoutMs` the rest is destroyed. From now on `acquire` rejects with `POOL_CLOSED`. Idempotent.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = checkCloseOptions(options);
    this.#closed ??= this.#close(timeoutMs);
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const refusal: ErrorData = { code: 'POOL_CLOSED', message: 'the shared pool is closed in this thread' };
    this.#refusal ??= refusal;
    this.#leases.retireAll();
    this.#onChange();
    if (this.#connected && this.#busy) {
      await new Promise<void>((resolve) => {
        // Ref'd: the caller of `close` waits, and a dead lease does not keep the process alive.
        const limit = systemClock.deadline(timeoutMs, () => resolve(), true);
        this.#onQuiet = () => {
          limit.cancel();
          resolve();
        };
      });
    }
    if (this.#connected) this.#host.post({ kind: 'leave' });
    this.#end(refusal);
  }

  #ask(options: AcquireOptions): Promise<Lease> {
    return new Promise((resolve) => {
      const { signal, timeoutMs = this.#defaults.acquireTimeoutMs } = options;
      const id = ++this.#lastAcquireId;
      const askedAtMs = monotonicNowMs();
      const dueMs = askedAtMs + timeoutMs + ANSWER_GRACE_MS;
      // Written out: V8 keeps a spread copy in a form that is slow to use, which cost a fifth of an acquire.
      const acquire: PendingAcquire = {
        id,
        timeoutMs,
        askedAtMs,
        options,
        resolve,
        stopListening: undefined,
        dueMs,
        queueIndex: -1,
        nextInPlace: undefined,
      };
      this.#pending.add(acquire);
      this.#deadlines.put(acquire);
      this.#onChange();
      this.#host.ask(acquire);
      if (signal === undefined) return;
      acquire.stopListening = failOnAbort(signal, ABORTED, (error) => this.#giveUp(acquire, error));
      // A signal that is not a real one may have run any code.
      if (this.#pending.get(id) === undefined) acquire.stopListening();
    });
  }

  #onMessage(message: HostMessage): void {
    if (!this.#connected) return;
    switch (message.kind) {
      case 'lease':
        return this.#onLease(message);
      case 'failed': {
        const acquire = this.#pending.get(message.acquireId);
        if (acquire !== undefined) this.#settle(acquire, rejectionOf(errorFromData(message.error)));
        return;
      }
      case 'gone':
        return this.#leases.onGone(message.connectionId);
      case 'retire':
        return this.#leases.onRetire(message.connectionId);
      case 'ended':
        return this.#end(message.error);
      case 'welcome':
    }
  }

  #onLease(message: LeaseMessage): void {
    const acquire = this.#pending.get(message.acquireId);
    if (acquire === undefined) return this.#leases.decline(message);
    try {
      const lease = this.#leases.accept(message, acquire.options);
      // The connection has closed on the way here.
      if (lease === undefined) this.#host.ask(acquire);
      else this.#settle(acquire, lease);
    } catch (error) {
      this.#fail(acquire, asPoolError(error));
    }
  }

  #onDue(acquire: PendingAcquire): void {
    const problem = 'the thread of the pool did not answer, so its event loop must be busy';
    const message = `no connection within ${acquire.timeoutMs} ms: ${problem}`;
    const failure = new BrokerPoolError('TIMEOUT', message, { phase: 'queue' });
    this.#giveUp(acquire, failure, 'Find what blocks that thread.');
  }

  /** A lease that is already on its way is declined when it arrives. */
  #giveUp(acquire: PendingAcquire, failure: BrokerPoolError, advice?: string): void {
    this.#host.post({ kind: 'abort', acquireId: acquire.id });
    this.#fail(acquire, failure, advice);
  }

  /** @param failure found in this thread, which knows the options of the acquire, not the state of the pool */
  #fail(acquire: PendingAcquire, failure: BrokerPoolError, advice?: string): void {
    const tried = this.#tried(acquire.options, monotonicNowMs() - acquire.askedAtMs);
    this.#settle(acquire, rejectionOf(explainedError(failure, { ...tried, advice })));
  }

  #settle(acquire: PendingAcquire, outcome: Lease | Promise<never>): void {
    this.#pending.take(acquire.id);
    this.#deadlines.remove(acquire);
    acquire.stopListening?.();
    acquire.resolve(outcome);
    this.#onChange();
  }

  #tried({ serviceName, wantedVersion }: AcquireOptions, elapsedMs: number): Tried {
    const { brokerEndpoint, ...names } = this.#defaults;
    return {
      brokerEndpoint,
      serviceName: serviceName ?? names.serviceName,
      wantedVersion: wantedVersion ?? names.wantedVersion,
      elapsedMs,
    };
  }

  #onChange(): void {
    const busy = this.#pending.size > 0 || this.#leases.out > 0;
    if (busy === this.#busy) return;
    this.#busy = busy;
    if (busy) return this.#port.ref();
    this.#port.unref();
    this.#onQuiet?.();
  }

  #end(reason: ErrorData): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#refusal ??= reason;
    for (const acquire of this.#pending.items()) this.#fail(acquire, errorFromData(reason));
    this.#deadlines.stop();
    this.#host.end(errorFromData(reason));
    this.#leases.abandon();
    this.#port.close();
  }
}
