import { outOfContext } from '../async-context.js';
import type { CachedClock, CachedTime } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { asPoolError } from './acquire-errors.js';
import type { AcquireQueue, Waiter } from './acquire-queue.js';
import type { Capacity } from './capacity.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { NewConnection } from './connecting/connect-request.js';
import type { ConnectionCloser } from './connection-closer.js';
import type { EntryList } from './containers.js';
import { HealthChecks } from './health-check.js';
import type { PoolEnvironment } from './pool-environment.js';
import type { CloseReason } from './close-reason.js';
import { PooledConnection } from './pooled-connection.js';
import type { TargetLimits } from './target-limits.js';
import { WarmUps } from './warm-ups.js';

/**
 * Connects the waiters of a target with its connections: idle ones first, then a validation or a connect for
 * each caller that still waits, then the connections that `min` asks for.
 *
 * Every change of capacity ends in `run`; only a release while a caller waits goes straight to that caller.
 */
export class Pump {
  /** Hears, while the pool closes, that fewer callers wait or hold connections. */
  onQuieter: () => void = () => {};
  readonly #environment: PoolEnvironment;
  readonly #queue: AcquireQueue;
  readonly #entries: EntryList<PooledConnection>;
  readonly #limits: TargetLimits;
  readonly #opener: ConnectionOpener;
  readonly #closer: ConnectionCloser;
  readonly #cachedClock: CachedClock;
  #warmUps: WarmUps | undefined;
  readonly #health: HealthChecks | undefined;
  /** 1 while it runs, more if it has been called meanwhile. */
  #runsDue = 0;

  constructor(
    environment: PoolEnvironment,
    queue: AcquireQueue,
    entries: EntryList<PooledConnection>,
    limits: TargetLimits,
    opener: ConnectionOpener,
    closer: ConnectionCloser,
    cachedClock: CachedClock,
  ) {
    const { settings, clock } = environment;
    this.#environment = environment;
    this.#queue = queue;
    this.#entries = entries;
    this.#limits = limits;
    this.#opener = opener;
    this.#closer = closer;
    this.#cachedClock = cachedClock;
    if (settings.validate !== undefined)
      this.#health = new HealthChecks(entries, settings.validate, settings, clock, () => this.run());
  }

  /** @param validated an idle connection that was just validated: one waiter may have it unchecked */
  run(validated?: PooledConnection): void {
    // Listeners of events, and other targets that make room, may call in the middle of it.
    this.#runsDue += 1;
    if (this.#runsDue > 1) return;
    let fresh = validated;
    try {
      do {
        this.#runsDue = 1;
        while (this.#queue.size > 0) {
          const connection = this.leaseIdle(fresh);
          if (connection === undefined) break;
          this.#queue.serveFirst(connection);
        }
        this.#findMore();
        if (this.#environment.capacity !== undefined) this.#makeRoom(this.#environment.capacity);
        this.keepWarm();
        fresh = undefined;
      } while (this.#runsDue > 1);
    } finally {
      // A run that stays counted would keep every later one from starting.
      this.#runsDue = 0;
    }
    if (!this.#limits.closing || this.#queue.size > 0) return;
    for (const connection of this.#entries.idleEntries()) this.#closer.closeIdle(connection, 'poolClosed');
    this.onQuieter();
  }

  /** Opens a spare connection where `min` lacks one. */
  keepWarm(): void {
    if (this.#limits.held - this.#entries.detached < this.#limits.minimum && this.#opener.takeSpareSlot())
      void this.#connect(true);
  }

  /** Keeps `min` connections open from now on. Resolves when they are; `undefined` where they are already. */
  keepMinimum(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timeoutError: () => BrokerPoolError,
  ): Promise<void> | undefined {
    this.#limits.keepsMinimum = true;
    this.#opener.retryNow();
    if (this.#limits.isWarm) return undefined;
    this.#warmUps ??= new WarmUps(this.#environment.clock);
    const warm = this.#warmUps.wait(timeoutMs, signal, timeoutError);
    this.keepWarm();
    return warm;
  }

  /** A caller has come to the end of the queue. */
  onWaiter(): void {
    // Checks under way began for earlier callers.
    this.#health?.expectAtMost(this.#queue.size - 1);
    // Without an idle connection, and without room for a connect, the pump can do nothing.
    const { idle, detached } = this.#entries;
    if (idle + detached > 0 || this.#limits.lacking.size > 0 || this.#limits.belowLimits()) this.run();
  }

  /** Leases the newest idle connection; `undefined` without one, and where it must be validated first. */
  leaseIdle(validated?: PooledConnection): PooledConnection | undefined {
    for (;;) {
      const connection = this.#entries.newestIdle;
      if (connection === undefined) return undefined;
      if (connection !== validated && this.#health?.isDue(connection, this.#cachedClock.time().ms))
        return undefined;
      // A caller that kept the socket may have destroyed it in this turn: 'close' has not fired yet.
      const problem = connection.socket.destroyed ? 'stale' : connection.sharedWith?.recall();
      if (problem === undefined) {
        this.#entries.leaseNewest();
        connection.use(this.#environment.settings.maxUses, this.#cachedClock.time());
        return connection;
      }
      if (problem !== 'claimed') this.close(connection, problem);
    }
  }

  /** Closes a leased connection that cannot go to another caller, or waits until its last bytes have left. */
  takeBack(connection: PooledConnection, problem: CloseReason | 'unsent'): void {
    if (problem !== 'unsent') return this.close(connection, problem);
    this.#closer.drain(connection, (hasDrained) => {
      const reason = hasDrained ? (connection.recycle() ?? this.#limits.whyNotKeep) : 'dirty';
      if (reason !== undefined) return this.close(connection, reason === 'unsent' ? 'dirty' : reason);
      this.#entries.makeIdle(connection);
      this.#cachedClock.markBusy();
      this.run();
    });
  }

  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): void {
    this.#health?.stop(connection);
    if (this.#closer.close(connection, reason, error)) this.run();
  }

  /** Forgets the endpoint; idle connections close now, the others when they come back or arrive. */
  clear(): void {
    this.#opener.clear();
    this.#closer.closeAll('stale');
    this.run();
  }

  /** Closes the connections that are due by `dueByMs`, or begins their keepalives. */
  reap(dueByMs: number): void {
    if (dueByMs < this.#closer.nextMs) return;
    const silent = this.#closer.closeDue(dueByMs, this.#limits.minimum);
    this.run();
    for (const connection of silent) if (connection.state === 'idle') void this.#validate(connection, false);
  }

  /** Fails one caller that waits. */
  fail(waiter: Waiter, failure: BrokerPoolError): void {
    this.#queue.fail(waiter, failure, false, this.#opener.snapshot());
    this.run();
  }

  /** Fails all callers that wait. @param isShared whether other callers may have the same failure */
  failAll(failure: BrokerPoolError, isShared: boolean): void {
    // Before the callers: one that hears of its failure may warm the pool anew.
    this.#warmUps?.endAll(failure);
    this.#queue.failAll(failure, isShared, () => this.#opener.snapshot());
    this.run();
  }

  /** Begins a validation or a connect for each caller that waits, as far as the limits allow. */
  #findMore(): void {
    const limits = this.#limits;
    this.#health?.expectAtMost(this.#queue.size);
    if (this.#queue.size === 0 && limits.lacking.size > 0) limits.dropUnwanted();
    while (limits.expected + (this.#health?.expected ?? 0) < this.#queue.size) {
      const idle = this.#entries.newestIdle;
      if (idle !== undefined) void this.#validate(idle, true);
      else if (!this.#opener.takeSlot()) return this.#evictResting();
      else if (limits.lacking.size > 0) limits.grantSlot();
      else void this.#connect(false);
    }
    this.#environment.capacity?.leaveLine(limits);
  }

  /** Detached connections that are at rest make room for callers: their holders can open others. */
  #evictResting(): void {
    const { mayOpen, expected } = this.#limits;
    if (mayOpen <= 0 && this.#closer.evictResting(this.#queue.size - expected)) this.run();
  }

  /** Without callers, idle connections and connects under way may stand in the way of another target. */
  #makeRoom(capacity: Capacity): void {
    while (this.#limits.spare > 0 && this.#queue.size === 0 && capacity.shouldYield(this.#limits))
      if (!this.#closer.evictIdle()) this.#limits.yieldConnect();
  }

  /** A connect belongs to the pool: a caller that gives up does not take it along. */
  #connect(spare: boolean): Promise<void> {
    return outOfContext(async () => {
      const turn = spare ? undefined : this.#cachedClock.time();
      const connect = this.#opener.begin(spare);
      let opened: NewConnection | BrokerPoolError;
      try {
        opened = await this.#opener.connect(connect);
      } catch (error) {
        opened = asPoolError(error);
      }
      // From here on in one turn: a connection must count all the time.
      const result = this.#opener.finish(connect, opened);
      if (result instanceof PooledConnection) return this.#onOpened(result, connect.startedMs, turn);
      if (connect.dropped) this.run();
      else this.#onOpenFailed(result);
      if (connect.hadSlot) this.#environment.capacity?.release();
    });
  }

  #onOpened(connection: PooledConnection, startedMs: number, turn: CachedTime | undefined): void {
    this.#entries.add(connection);
    const readyMs = this.#environment.clock.now();
    this.#closer.watch(connection, readyMs, readyMs);
    const isWanted = this.#queue.size > 0;
    const reason = connection.closeOnRelease ?? (isWanted ? undefined : this.#limits.whyNotKeep);
    if (reason !== undefined) this.#closer.close(connection, reason);
    else if (this.#health !== undefined && this.#opener.isFromMemory(connection))
      // Another program may listen on a remembered endpoint by now.
      void this.#validate(connection, isWanted);
    else if (isWanted) {
      connection.use(this.#environment.settings.maxUses, this.#cachedClock.time());
      this.#queue.serveFirst(connection, { turn, startedMs, readyMs });
    } else {
      this.#entries.makeIdle(connection);
      this.#cachedClock.markBusy();
    }
    // One connect less is under way: another may begin.
    this.run();
    if (this.#warmUps !== undefined && !this.#limits.closing && this.#limits.isWarm) this.#warmUps.endAll();
  }

  /** Fails the callers that wait, unless an open connection or another connect can still serve them. */
  #onOpenFailed(error: BrokerPoolError): void {
    this.#warmUps?.endAll(error);
    if (this.#entries.size > 0) this.run();
    else if (this.#limits.connects === 0) this.failAll(error, true);
  }

  async #validate(connection: PooledConnection, isWanted: boolean): Promise<void> {
    if (this.#health === undefined) return;
    const { reason, error } = await this.#health.check(connection, isWanted);
    this.#health.end(connection);
    if (connection.state !== 'reserved') return this.run();
    if (reason !== undefined) return this.close(connection, reason, error);
    // A keepalive is no use of the connection, which stays the longest idle one unless a caller has come.
    if (!isWanted && this.#queue.size === 0) {
      this.#entries.makeIdleAsOldest(connection);
      return this.run();
    }
    this.#entries.makeIdle(connection);
    connection.rest(this.#environment.clock.now());
    this.run(connection);
  }
}
