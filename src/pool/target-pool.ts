import { abortedError, hasAborted } from '../abort.js';
import { CachedClock, SharedTimer } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ABORTED, callerError, queueFullError } from './acquire-errors.js';
import { AcquireQueue } from './acquire-queue.js';
import { Claims } from './claims.js';
import { ConnectionOpener } from './connecting/connection-opener.js';
import { ConnectionCloser } from './connection-closer.js';
import { EntryList } from './containers.js';
import { leaseOf, type Lease, type LeaseOwner, type ResolvedBackend } from './lease.js';
import type { PoolEnvironment } from './pool-environment.js';
import type { CloseReason } from './close-reason.js';
import type { PooledConnection } from './pooled-connection.js';
import { Pump } from './pump.js';
import { TargetLimits } from './target-limits.js';
import type { Target } from '../target.js';
import { statsOfTarget } from './target-stats.js';
import { warmUp } from './warm.js';
import { LeaseWatch } from './watching/lease-watch.js';
import type { TargetStats } from './watching/stats.js';

/**
 * The pool of one target. Connections are in an `EntryList`, callers that wait in an `AcquireQueue`, and the
 * {@link Pump} connects the two. The path of a lease out and back is here: moving parts of it to another object
 * once cost 15 %.
 */
export class TargetPool implements LeaseOwner {
  readonly target: Target;
  readonly timeoutError: (timeoutMs: number) => BrokerPoolError;
  readonly #environment: PoolEnvironment;
  readonly #pump: Pump;
  readonly #limits: TargetLimits;
  readonly #entries: EntryList<PooledConnection>;
  readonly #queue: AcquireQueue;
  readonly #opener: ConnectionOpener;
  readonly #closer: ConnectionCloser;
  readonly #watch: LeaseWatch;
  readonly #cachedClock: CachedClock;
  readonly #timer: SharedTimer;
  readonly #maxUses: number;
  readonly #maxWaiting: number;
  /** Whether idle connections may have to be validated before a lease. */
  readonly #validates: boolean;
  readonly #hasCapacity: boolean;
  endedBy: BrokerPoolError | undefined;
  #claims: Claims | undefined;

  constructor(target: Target, environment: PoolEnvironment) {
    const { clock, settings, capacity } = environment;
    this.target = target;
    this.#environment = environment;
    this.#maxUses = settings.maxUses;
    this.#maxWaiting = settings.maxWaiting;
    this.#validates = settings.validate !== undefined;
    this.#hasCapacity = capacity !== undefined;
    const pump = (): void => this.#pump.run();
    const evictIdle = (): boolean => this.#closer.evictIdle();
    const onDue = (dueByMs: number): void => this.#onDeadline(dueByMs);
    const nextMs = (): number =>
      Math.min(this.#queue.sweepAtMs, this.#closer.nextMs, this.#watch.nextDeadlineMs);
    const onLeak = (connection: PooledConnection): void => this.onDestroy(connection, 'leaked');
    const cachedClock = (this.#cachedClock = new CachedClock(clock, (nowMs) => this.#closer.restIdle(nowMs)));
    const timer = (this.#timer = new SharedTimer(clock, onDue, nextMs));
    this.#watch = new LeaseWatch(target, environment, timer, onLeak);
    const queue = (this.#queue = new AcquireQueue(clock, cachedClock, timer, this.#watch));
    const entries = (this.#entries = new EntryList<PooledConnection>());
    const limits = (this.#limits = new TargetLimits(settings, capacity, entries, queue, evictIdle, pump));
    const opener = new ConnectionOpener(target, environment, limits, entries, queue, this, pump);
    this.#opener = opener;
    const closer = (this.#closer = new ConnectionCloser(environment, entries, opener, timer));
    this.timeoutError = (timeoutMs) => opener.timeoutError(timeoutMs, closer.draining);
    this.#pump = new Pump(environment, queue, entries, limits, opener, closer, cachedClock);
    limits.keepsMinimum =
      target.serviceName === settings.serviceName && target.wantedVersion === settings.wantedVersion;
    capacity?.join(limits);
  }

  /** Opens connections up to `min`, in the background. */
  keepWarm(): void {
    this.#pump.keepWarm();
  }

  /** An idle connection at once, or `undefined`. */
  tryAcquire(): Lease | undefined {
    const connection = this.#leaseIdle();
    if (connection === undefined) return undefined;
    return this.#watch.wanted ? this.#watch.leaseAtOnce(connection, this.#cachedClock) : leaseOf(connection);
  }

  /** A connection as soon as there is one. The options have been checked. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    if (signal !== undefined && hasAborted(signal)) return this.#refuse(abortedError(signal, ABORTED));
    const connection = this.#leaseIdle();
    if (connection !== undefined)
      return Promise.resolve(
        this.#watch.wanted ? this.#watch.leaseAtOnce(connection, this.#cachedClock) : leaseOf(connection),
      );
    // Short, for the compiler: all that is rare is in another method.
    const { size } = this.#queue;
    if (
      signal !== undefined ||
      size >= this.#maxWaiting ||
      this.#entries.size === 0 ||
      this.#watch.hearsWaits
    )
      return this.#wait(timeoutMs, signal);
    const lease = this.#queue.enter(timeoutMs, undefined, this.#opener.attempts.ended);
    this.#pump.onWaiter();
    return lease;
  }

  #wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    const { size } = this.#queue;
    if (size >= this.#maxWaiting && size - this.#limits.places >= this.#maxWaiting)
      return this.#refuse(queueFullError(this.#maxWaiting));
    const refusal = this.#entries.size === 0 ? this.#opener.refusal : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    const origin = this.#watch.hearsWaits ? this.#watch.beginWait() : undefined;
    // A listener that has just heard of the acquire may have ended the pool, or aborted the signal.
    const isAborted = signal !== undefined && hasAborted(signal);
    const failure = this.endedBy ?? (isAborted ? abortedError(signal, ABORTED) : undefined);
    if (failure !== undefined) {
      const error = callerError(failure, false, this.#opener.snapshot(), this.#opener.attempts.ended, 0);
      this.#watch.fail(origin, error, 0);
      return Promise.reject(error);
    }
    const lease = this.#queue.enter(timeoutMs, origin, this.#opener.attempts.ended);
    const { last } = this.#queue;
    if (signal !== undefined && last !== undefined)
      this.#queue.listen(last, signal, (error) => this.#pump.fail(last, error));
    this.#pump.onWaiter();
    return lease;
  }

  /** Where the backend listens, as far as that is known without asking the broker. */
  get known(): ResolvedBackend | undefined {
    return this.#opener.known;
  }

  /** Resolves when `min` connections are open, and keeps as many from then on; rejects when one fails. */
  warm(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#environment;
    return warmUp(this.#pump, this.#opener, clock, timeoutMs, signal, this.timeoutError);
  }

  get unserved(): number {
    return this.#limits.unserved;
  }

  onRest(): void {
    if (this.#queue.size > 0) this.#pump.run();
  }

  isSpare({ closeOnRelease, state }: PooledConnection): boolean {
    if (this.#queue.size > 0 || this.#watch.wanted || this.#hasCapacity) return false;
    return closeOnRelease === undefined && state === 'leased' && !this.#limits.closing;
  }

  /** For threads that may lease again a connection that they have given back; `undefined` where none may. */
  get claims(): Claims | undefined {
    if (this.#claims === undefined && !this.#validates && !this.#hasCapacity && !this.#limits.closing)
      this.#claims = new Claims(this.#queue, this.#entries, this.#watch, this.#cachedClock, this.#maxUses);
    return this.#claims;
  }

  onRelease(connection: PooledConnection): void {
    // A pool that was destroyed has ended the lease already.
    if (connection.state !== 'leased') return;
    const now = this.#cachedClock.time();
    if (this.#watch.watched > 0 || now !== connection.since) this.#watch.end(connection, now);
    let problem = connection.recycle();
    if (problem === undefined && this.#hasCapacity) problem = this.#limits.whyNotKeep;
    if (problem !== undefined) this.#pump.takeBack(connection, problem);
    else if (this.#queue.size > 0) {
      connection.use(this.#maxUses, now);
      this.#queue.serveFirst(connection);
      // The connect that was under way for the caller may make room for another target.
      if (this.#queue.size === 0 && this.#limits.holding.size > 0) this.#pump.run();
    } else {
      this.#entries.makeIdle(connection);
      if (this.#limits.closing) this.#pump.run();
    }
  }

  onDetach(connection: PooledConnection): void {
    if (connection.state === 'leased') this.#watch.end(connection, this.#cachedClock.time());
    // A pool that was destroyed, also by a listener just now, has ended the lease; a dead connection has no place.
    if (connection.state !== 'leased') return;
    this.#entries.detach(connection);
    connection.detach();
    const reason = this.#limits.closing ? 'poolClosed' : connection.closeOnRelease;
    if (reason !== undefined) connection.retire(reason);
    this.#pump.run();
  }

  onDestroy(connection: PooledConnection, reason: CloseReason): void {
    if (connection.state === 'leased') this.#watch.end(connection, this.#cachedClock.time());
    this.#pump.close(connection, reason);
  }

  /** Forgets the endpoint; idle connections close now, the others when they come back or arrive. */
  clear(): void {
    const { cleared, pool } = this.#environment.events;
    if (cleared.wanted) cleared.publish({ pool, target: this.target });
    this.#pump.clear();
  }

  /** Serves the callers that wait, and keeps no connection. */
  beginClose(onQuieter: () => void): void {
    this.#pump.onQuieter = onQuieter;
    this.#limits.closing = true;
    this.#claims?.close();
    for (const connection of this.#entries.entries())
      if (connection.state === 'detached') connection.retire('poolClosed');
    this.#pump.run();
  }

  /** Whether it has no connections, connects or callers, and keeps nothing warm. */
  get unused(): boolean {
    return this.#limits.isUnused;
  }

  drop(): void {
    this.#stopTimers();
    this.#environment.capacity?.leave(this.#limits);
  }

  /** Whether no caller holds a connection or waits for one. */
  get quiet(): boolean {
    return this.#entries.leased + this.#entries.detached + this.#queue.size + this.#closer.draining === 0;
  }

  /** Closes everything and fails the callers that wait. */
  destroy(error: BrokerPoolError): void {
    this.#limits.closing = true;
    this.#opener.stop();
    this.endedBy = error;
    this.#pump.failAll(error, false);
    for (const connection of this.#entries.entries()) this.onDestroy(connection, 'poolClosed');
    this.#stopTimers();
  }

  stats(): TargetStats {
    return statsOfTarget(this.#entries, this.#limits, this.#opener, this.#queue, this.#watch);
  }

  #stopTimers(): void {
    this.#opener.stop();
    this.#watch.stop();
    this.#timer.cancel();
    this.#cachedClock.stop();
  }

  /** An idle connection for a caller that has just come, and must not overtake waiters. */
  #leaseIdle(): PooledConnection | undefined {
    const connection = this.#entries.newestIdle;
    if (connection === undefined || this.#queue.size > 0 || this.#limits.closing) return undefined;
    // A caller that kept the socket may have destroyed it in this turn: 'close' has not fired yet.
    const mustLook = this.#validates || connection.sharedWith !== undefined || connection.socket.destroyed;
    if (mustLook) return this.#pump.leaseIdle();
    this.#entries.leaseNewest();
    connection.use(this.#maxUses, this.#cachedClock.time());
    return connection;
  }

  #onDeadline(dueByMs: number): void {
    // A caller that came late in a long turn must not time out by the turn's old time.
    this.#cachedClock.end();
    this.#watch.reportLeaks(dueByMs);
    if (this.#queue.expire(dueByMs, this.timeoutError, () => this.#opener.snapshot())) this.#pump.run();
    this.#pump.reap(dueByMs);
  }

  /** Fails an acquire before it waits. */
  #refuse(failure: BrokerPoolError): Promise<never> {
    const error = callerError(failure, false, this.#opener.snapshot(), this.#opener.attempts.begun, 0);
    this.#watch.refuse(error);
    return Promise.reject(error);
  }
}
