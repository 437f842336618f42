import type { BrokerPoolError, TimeoutPhase } from '../errors.js';
import { abortedError, acquireTimeoutError, queueFullError, type Situation } from './acquire-errors.js';
import { Bag } from './bag.js';
import type { EndpointCache } from './endpoint-cache.js';
import type { Target } from './target.js';
import { HealthChecks, type HealthCheckOwner } from './health-check.js';
import { LeaseWatch } from './watching/lease-watch.js';
import { leaseOf, type Lease } from './lease.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';
import { Reaper, type ReaperOwner } from './reaper.js';
import { countsOf, newCounters, type PoolCounts } from './watching/stats.js';
import { Supply, type SupplyEnvironment, type SupplyOwner } from './connecting/supply.js';
import { Turn } from './turn.js';
import type { Waiter } from './waiter.js';
import { WaitingRoom, type WaitingRoomOwner } from './waiting-room.js';
import { WarmUps } from './warm-ups.js';

/** What the pools of all targets share. */
export interface TargetEnvironment extends SupplyEnvironment {
  readonly cache: EndpointCache | undefined;
  nextAcquireId(): number;
  /** Something came to an end; a closing pool looks whether that was the last. */
  onQuieter(): void;
}

/**
 * The pool of one target: policy over a {@link Bag}. Whatever frees or adds capacity calls `#pump`; whatever closes a connection
 * goes through `#remove`.
 */
export class TargetPool implements SupplyOwner, ReaperOwner, WaitingRoomOwner, HealthCheckOwner {
  readonly target: Target;
  readonly #environment: TargetEnvironment;
  readonly #bag = new Bag<PooledConnection, Waiter>();
  readonly #supply: Supply;
  readonly #reaper: Reaper;
  readonly #turn: Turn;
  readonly #now: () => number;
  readonly #watch: LeaseWatch;
  readonly #waitingRoom: WaitingRoom;
  readonly #health: HealthChecks;
  readonly #warmUps: WarmUps;
  readonly #counters = newCounters();
  /** Whether `min` holds here: for the pool's own target it does, for others once they have been warmed. */
  #keepsMinimum: boolean;
  #closing = false;
  /** 1 while the pump runs, more if it has been called meanwhile. */
  #pumpsDue = 0;

  constructor(target: Target, environment: TargetEnvironment) {
    const { clock, settings, capacity } = environment;
    this.target = target;
    this.#environment = environment;
    this.#keepsMinimum = target.serviceName === settings.serviceName && target.wantedVersion === settings.wantedVersion;
    this.#supply = new Supply(target, environment, this.#counters, this);
    this.#reaper = new Reaper(clock, settings, this);
    this.#turn = new Turn(clock, (nowMs) => this.#onTurnEnd(nowMs));
    this.#now = () => this.#turn.now();
    this.#watch = new LeaseWatch(target, environment, (connection) => this.onDestroy(connection, 'leaked'));
    this.#waitingRoom = new WaitingRoom(this.#bag, clock, this.#turn, this.#watch, this);
    this.#health = new HealthChecks(this.#bag, settings, clock, this);
    this.#warmUps = new WarmUps(clock);
    capacity?.join(this);
    this.#keepWarm();
  }

  /** An idle connection at once, or `undefined`. */
  tryAcquire(): Lease | undefined {
    const connection = this.#borrowAtOnce();
    return connection && this.#lease(connection);
  }

  /** A connection as soon as there is one; the checks of the options are behind us. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    if (signal?.aborted) return this.#refuse(abortedError(signal));
    const connection = this.#borrowAtOnce();
    if (connection !== undefined) return Promise.resolve(this.#lease(connection));
    const { maxWaiting } = this.#environment.settings;
    if (this.#bag.waiting >= maxWaiting && this.#bag.waiting - this.#places >= maxWaiting) return this.#refuse(queueFullError(maxWaiting, this.#situation()));
    const refusal = this.#bag.size === 0 ? this.#supply.refusal : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    return this.#waitingRoom.enter(timeoutMs, signal);
  }

  /** Resolves when `min` connections are open, rejects when one cannot be opened. From now on so many are kept. */
  warm(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    this.#keepsMinimum = true;
    this.#supply.retryNow();
    if (this.#isWarm()) return Promise.resolve();
    const warm = this.#warmUps.wait(timeoutMs, signal, () => this.timeoutError(timeoutMs, timeoutMs));
    this.#keepWarm();
    return warm;
  }

  onRelease(connection: PooledConnection): void {
    // A pool that was destroyed has ended the lease already.
    if (connection.state !== 'leased') return;
    this.#watch.end(connection, this.#now);
    const reason = connection.recycle() ?? this.#whyNotKeep();
    if (reason === undefined) this.#offer(connection);
    else this.close(connection, reason);
  }

  onDestroy(connection: PooledConnection, reason: CloseReason): void {
    if (connection.state === 'leased') this.#watch.end(connection, this.#now);
    this.close(connection, reason);
  }

  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): void {
    if (this.#remove(connection, reason, error)) this.pump();
  }

  /** Forgets the endpoint; idle connections close now, leased ones when they come back, connects under way when they arrive. */
  clear(): void {
    const { cache, events } = this.#environment;
    if (events.cleared.wanted) events.cleared.publish({ target: this.target });
    this.#supply.clear();
    cache?.delete(this.#supply.key);
    for (const connection of this.#bag.entries()) {
      if (connection.state === 'idle') this.#remove(connection, 'stale');
      else connection.retired ??= 'stale';
    }
    this.pump();
  }

  /** Serves who waits, opens nothing for anybody else, keeps nothing that comes back. */
  beginClose(): void {
    this.#closing = true;
    this.pump();
  }

  /** Whether it holds nothing, waits for nothing and keeps nothing warm. */
  get unused(): boolean {
    return this.held === 0 && this.#bag.waiting === 0 && this.#minimum === 0;
  }

  /** Ends an unused pool. */
  drop(): void {
    this.#stop();
    this.#environment.capacity?.leave(this);
  }

  /** Whether nobody holds or waits for anything. */
  get quiet(): boolean {
    return this.#bag.leased === 0 && this.#bag.waiting === 0;
  }

  /** Closes everything and fails who waits. */
  destroy(error: BrokerPoolError): void {
    this.#closing = true;
    this.#supply.stop();
    this.#waitingRoom.end(error);
    this.#warmUps.endAll(error);
    for (const connection of this.#bag.entries()) this.onDestroy(connection, 'poolClosed');
    this.#stop();
  }

  get size(): number {
    return this.#bag.size;
  }

  get idle(): number {
    return this.#bag.idle;
  }

  get waiting(): number {
    return this.#bag.waiting;
  }

  get held(): number {
    return this.#bag.size + this.#supply.connecting;
  }

  wantedUntilMs(): number {
    return this.#waitingRoom.wantedUntilMs;
  }

  evictIdle(): boolean {
    const connection = this.#bag.oldestIdle;
    return connection !== undefined && this.#remove(connection, 'evicted');
  }

  onOpened(connection: PooledConnection): void {
    this.#bag.add(connection);
    this.#reaper.add(connection);
    const reason = connection.recycle() ?? (this.#bag.waiting === 0 ? this.#whyNotKeep() : undefined);
    if (reason === undefined) this.#offer(connection);
    else this.#remove(connection, reason);
    // One connect less is under way: another may begin.
    this.pump();
    if (!this.#closing && this.#isWarm()) this.#warmUps.endAll();
  }

  /**
   * With nothing left to wait for, everybody learns the cause. While there are connections, callers may still be served by them, and
   * connecting is tried again after a pause; while other connects are under way, those decide.
   */
  onOpenFailed(error: BrokerPoolError): void {
    this.#warmUps.endAll(error);
    if (this.#bag.size > 0) this.pump();
    else if (this.#supply.connecting === 0) this.#waitingRoom.failAll(error);
  }

  /**
   * Serves waiters from what is idle, and begins connects for the others. Whatever changes what the pool has calls it; only a connection
   * that comes back while somebody waits goes straight to whoever stands first.
   *
   * @param validated an idle connection that has just been validated, and is good for one waiter without being validated again
   */
  pump(validated?: PooledConnection): void {
    // Listeners of events, and other targets that make room, may call back in the middle of it.
    this.#pumpsDue += 1;
    if (this.#pumpsDue > 1) return;
    let fresh = validated;
    do {
      this.#pumpsDue = 1;
      this.#serveWaiters(fresh);
      this.#findMore();
      this.#makeRoom();
      this.#keepWarm();
      fresh = undefined;
    } while (this.#pumpsDue > 1);
    this.#pumpsDue = 0;
    if (this.#closing) this.#closeWhatIsLeft();
  }

  hasSpare(): boolean {
    return this.#bag.size > this.#minimum;
  }

  timeoutError(timeoutMs: number, waitedMs: number): BrokerPoolError {
    return acquireTimeoutError(timeoutMs, waitedMs, this.#phase(), this.#situation(), this.#supply.lastError);
  }

  onWaiter(): void {
    // Checks that are under way began for those who came before.
    this.#health.expectAtMost(this.#bag.waiting - 1);
    // There was nothing idle but what must be validated: with neither that nor room for more, the pump could only look in vain.
    if (this.#bag.idle > 0 || !this.#supply.full) this.pump();
  }

  keepAlive(connection: PooledConnection): void {
    void this.#health.check(connection, false);
  }

  onHealthy(connection: PooledConnection, wanted: boolean): void {
    // The keepalive of a spare connection leaves it as old as it was.
    if (wanted) connection.rest(this.#environment.clock.now());
    this.pump(wanted ? connection : undefined);
  }

  counts(): PoolCounts {
    const { size: total, idle, leased, waiting } = this.#bag;
    return countsOf(this.#counters, this.#bag.entries(), {
      total,
      idle,
      leased,
      connecting: this.#supply.connecting,
      waiting,
      oldestWaitMs: this.#waitingRoom.oldestWaitMs,
      timeouts: this.#waitingRoom.timeouts,
      waits: this.#waitingRoom.times,
      connects: this.#supply.connectTimes,
    });
  }

  get #minimum(): number {
    const { min, max } = this.#environment.settings;
    return this.#closing || !this.#keepsMinimum ? 0 : Math.min(min, max);
  }

  /** How many callers can be served without anybody giving a connection back: by what is idle, validated or under way, and by what may be opened. */
  get #places(): number {
    const { settings, capacity } = this.#environment;
    const mayOpen = settings.max - this.held;
    return this.held - this.#bag.leased + (capacity === undefined ? mayOpen : Math.min(mayOpen, capacity.availableFor(this)));
  }

  /** Takes all timers away. */
  #stop(): void {
    this.#supply.stop();
    this.#reaper.stop();
    this.#watch.stop();
    this.#waitingRoom.stop();
    this.#turn.stop();
  }

  #isWarm(): boolean {
    return this.#bag.size >= this.#minimum;
  }

  #serveWaiters(validated: PooledConnection | undefined): void {
    while (this.#bag.waiting > 0) {
      const connection = this.#borrow(validated);
      if (connection === undefined) return;
      this.#waitingRoom.serveFirst(connection);
    }
  }

  /** One validation or connect under way for everybody who waits, as far as the limits allow. */
  #findMore(): void {
    this.#health.expectAtMost(this.#bag.waiting);
    while (this.#supply.connecting + this.#health.expected < this.#bag.waiting) {
      const idle = this.#bag.newestIdle;
      if (idle !== undefined) void this.#health.check(idle, true);
      else if (!this.#supply.open()) return;
    }
    this.#environment.capacity?.leaveLine(this);
  }

  #keepWarm(): void {
    while (this.held < this.#minimum && this.#supply.openSpare());
  }

  /** What is idle here, and not waited for, may stand in the way of another target. */
  #makeRoom(): void {
    while (this.#bag.idle > 0 && this.#bag.waiting === 0 && this.#whyNotKeep() !== undefined) this.evictIdle();
  }

  #closeWhatIsLeft(): void {
    if (this.#bag.waiting > 0) return;
    for (const connection of this.#bag.idleEntries()) this.#remove(connection, 'poolClosed');
    this.#environment.onQuieter();
  }

  /** An idle connection for somebody who has just come, and is not to overtake anybody. */
  #borrowAtOnce(): PooledConnection | undefined {
    return this.#bag.waiting > 0 || this.#closing ? undefined : this.#borrow();
  }

  #lease(connection: PooledConnection): Lease {
    return this.#watch.wanted ? this.#watch.leaseAtOnce(connection, this.#now) : leaseOf(connection);
  }

  /** Leases the newest idle connection, unless it must be validated first. */
  #borrow(validated?: PooledConnection): PooledConnection | undefined {
    for (;;) {
      const connection = this.#bag.newestIdle;
      if (connection === undefined || (connection !== validated && this.#health.isDue(connection, this.#now))) return undefined;
      // Its death shows in an event, and somebody who kept the socket may have caused it in this very turn.
      if (connection.socket.destroyed) {
        this.close(connection, 'stale');
        continue;
      }
      this.#bag.borrow();
      connection.use(this.#environment.settings.maxUses);
      return connection;
    }
  }

  /** A connection in good order that nobody holds: for whoever stands first, else to be idle. */
  #offer(connection: PooledConnection): void {
    if (this.#bag.waiting > 0) {
      connection.use(this.#environment.settings.maxUses);
      return this.#waitingRoom.serveFirst(connection);
    }
    this.#bag.giveBack(connection);
    this.#turn.markBusy();
    if (this.#closing) this.pump();
  }

  /** Why a connection in good order is not kept. */
  #whyNotKeep(): CloseReason | undefined {
    return this.#environment.capacity?.shouldYield(this) ? 'evicted' : undefined;
  }

  #remove(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): boolean {
    if (!this.#bag.remove(connection)) return false;
    // Its lease may still come back.
    connection.retired ??= reason;
    this.#reaper.remove(connection);
    this.#counters.closedByReason[reason] += 1;
    this.#counters.acquiredByRoute[connection.route] += connection.uses;
    this.#learnFrom(connection, reason);
    connection.destroy();
    const { events, clock, capacity } = this.#environment;
    if (events.connectionClosed.wanted) {
      const ageMs = clock.now() - connection.bornMs;
      const { id: connectionId, uses } = connection;
      events.connectionClosed.publish({ target: this.target, connectionId, reason, wasReady: true, ageMs, uses, ...(error && { error }) });
    }
    capacity?.giveBack();
    return true;
  }

  /** A connection that ended before the backend said a word may name an endpoint that is gone. */
  #learnFrom(connection: PooledConnection, reason: CloseReason): void {
    this.#supply.onClosed(connection, reason);
    const died = reason === 'stale' || reason === 'error';
    if (died && !connection.heard) this.#environment.cache?.invalidate(this.#supply.key, connection.endpoint);
  }

  #onTurnEnd(nowMs: number): void {
    for (let connection = this.#bag.newestIdle; connection !== undefined && !connection.resting; connection = connection.older) {
      connection.rest(nowMs);
    }
  }

  /** An acquire that fails before it waits. */
  #refuse(error: BrokerPoolError): Promise<never> {
    this.#watch.fail(this.#watch.begin(), error, 0);
    return Promise.reject(error);
  }

  #phase(): TimeoutPhase {
    if (this.#supply.connecting > 0) return this.#environment.connector.isNegotiating(this.#supply.key) ? 'hello' : 'connect';
    return this.#bag.reserved > 0 ? 'validate' : 'queue';
  }

  #situation(): Situation {
    const { size: total, idle, waiting } = this.#bag;
    return { target: this.target, total, idle, connecting: this.#supply.connecting, waiting };
  }
}
