import type { Socket } from 'node:net';
import { BrokerPoolError, type BrokerPool, type Lease } from '../../../src/index.js';
import { heldBy } from '../../../src/pool/lease.js';
import type { FakeClock } from '../../helpers/fake-clock.js';
import { fakeBehind } from '../../helpers/fake-peers.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { holds, RuleBroken } from './rules.js';
import { SERVICES, type Scenario, type Service } from './scenario.js';
import { isQueueFull } from './state-checks.js';
import type { World } from './world.js';

/**
 * How much later than its time an acquire may end: the pool looks through those who wait every few
 * milliseconds.
 */
const LATEST_MS = 25;
/** How late a wait may begin: for a caller in a long turn it begins with the turn's end. */
const LONGEST_TURN_MS = 1_200;

interface PendingAcquire {
  readonly number: number;
  readonly service: Service;
  readonly startedMs: number;
  readonly timeoutMs: number;
  readonly abort: AbortController | undefined;
  /** Whether too many waited already. */
  readonly queueFull: boolean;
  /** A later acquire that was served first. */
  overtakenBy?: number;
}

interface HeldLease {
  readonly lease: Lease;
  readonly service: Service;
  readonly connectionId: number;
}

/** The results of the callers of one target. */
export interface Tally {
  acquired: number;
  timeouts: number;
}

/** The callers of a pool. They check their leases and errors. */
export class Callers {
  readonly tallies: Record<Service, Tally> = {
    alpha: { acquired: 0, timeouts: 0 },
    beta: { acquired: 0, timeouts: 0 },
  };
  /** The targets that are kept warm: the pool's own, and those that a caller has warmed. */
  readonly warmed = new Set<string>([SERVICES[0]]);
  /** The pool is about to end: `POOL_CLOSED` is no surprise any more. */
  ending = false;
  /** The broken rule that a callback has found. */
  complaint: Error | undefined;
  readonly #pool: BrokerPool;
  readonly #world: World;
  readonly #clock: FakeClock;
  readonly #random: SeededRandom;
  readonly #scenario: Scenario;
  readonly #waiting = new Set<PendingAcquire>();
  readonly #held: HeldLease[] = [];
  readonly #detached = new Set<Socket>();
  readonly #warmUps = new Set<Promise<void>>();
  #acquires = 0;

  constructor(pool: BrokerPool, scenario: Scenario, world: World, clock: FakeClock, random: SeededRandom) {
    this.#pool = pool;
    this.#world = world;
    this.#clock = clock;
    this.#random = random;
    this.#scenario = scenario;
  }

  waitingFor(service: string): number {
    return [...this.#waiting].filter((acquire) => acquire.service === service).length;
  }

  /** Leases whose connections are open: one that has died gives up its place at once. */
  holding(service: string): number {
    return this.#held.filter(
      ({ lease, service: leased }) => leased === service && heldBy(lease)?.socket.destroyed === false,
    ).length;
  }

  /** Callers and warm-ups without a result yet. */
  get unsettled(): number {
    return this.#waiting.size + this.#warmUps.size;
  }

  acquire(): void {
    const service = this.#anyService();
    const abort = this.#random.chance(0.3) ? new AbortController() : undefined;
    const timeoutMs = this.#random.chance(0.5) ? 2_000 : 1 + this.#random.below(1_500);
    const queueFull = isQueueFull(this.#pool.stats(), service, this.#scenario);
    const acquire: PendingAcquire = {
      number: ++this.#acquires,
      service,
      startedMs: this.#clock.nowMs,
      timeoutMs,
      abort,
      queueFull,
    };
    this.#waiting.add(acquire);
    this.#pool.acquire({ serviceName: service, timeoutMs, ...(abort && { signal: abort.signal }) }).then(
      (lease) => this.#guard(() => this.#onLease(acquire, lease)),
      (error: unknown) => this.#guard(() => this.#onFailure(acquire, error)),
    );
  }

  tryAcquire(): void {
    const service = this.#anyService();
    const lease = this.#pool.tryAcquire({ serviceName: service });
    if (lease !== undefined) this.#hold(lease, service);
  }

  abort(): void {
    this.#random.pick([...this.#waiting].filter(({ abort }) => abort !== undefined))?.abort?.abort();
  }

  release(): void {
    const lease = this.#takeLease();
    if (lease === undefined) return;
    if (this.#random.chance(0.2)) lease.socket.on('data', () => {});
    lease.release();
  }

  /** Unread bytes of one conversation must not become the next one's. */
  releaseDirty(): void {
    const lease = this.#takeLease();
    if (lease === undefined) return;
    const { socket } = lease;
    socket.push('the answer to a question of the last caller');
    const fake = fakeBehind(socket);
    if (fake !== undefined) this.#world.spoil(fake);
    lease.release();
  }

  destroyLease(): void {
    this.#takeLease()?.destroy(this.#random.pick(['destroyed', 'error', 'invalid'] as const));
  }

  detach(): void {
    const socket = this.#takeLease()?.detach();
    // An error of a detached socket without a listener is uncaught, as of any socket.
    if (socket !== undefined) this.#detached.add(socket.on('error', () => {}));
  }

  /** Puts a detached socket to rest, or takes it up again. */
  restDetached(): void {
    const socket = this.#random.pick([...this.#detached]);
    if (this.#random.chance(0.7)) socket?.unref();
    else socket?.ref();
  }

  closeDetached(): void {
    const socket = this.#random.pick([...this.#detached]);
    if (socket === undefined) return;
    this.#detached.delete(socket);
    socket.destroy(this.#random.chance(0.3) ? new Error('mine') : undefined);
  }

  releaseAll(): void {
    for (let lease = this.#takeLease(); lease !== undefined; lease = this.#takeLease()) lease.release();
    for (const socket of this.#detached) socket.destroy();
    this.#detached.clear();
  }

  clear(): void {
    const all = this.#random.chance(0.3);
    const services = all ? SERVICES : [this.#anyService()];
    for (const service of services) {
      this.#world.onClear(service);
      if (!all) this.#pool.clear({ serviceName: service });
    }
    if (all) this.#pool.clear();
  }

  warm(): void {
    const serviceName = this.#anyService();
    this.warmed.add(serviceName);
    const warmUp = this.#pool.warm({ serviceName, timeoutMs: 1_500 });
    const onEnd = (error?: unknown): void => {
      this.#warmUps.delete(warmUp);
      const known = error === undefined || error instanceof BrokerPoolError;
      this.#guard(() => holds('an error says what happened', known, () => String(error)));
    };
    this.#warmUps.add(warmUp);
    warmUp.then(onEnd, onEnd);
  }

  checkThoseWhoWait(): void {
    for (const { number, startedMs, timeoutMs, abort, overtakenBy } of this.#waiting) {
      holds(
        'first come, first served',
        overtakenBy === undefined,
        () => `acquire ${overtakenBy} was served before ${number}`,
      );
      holds(
        'every acquire settles once',
        abort?.signal.aborted !== true,
        () => `acquire ${number} still waits after its abort`,
      );
      const waitedMs = this.#clock.nowMs - startedMs;
      // A step of many milliseconds is checked at its end only.
      const latestMs = 2 * timeoutMs + LATEST_MS + LONGEST_TURN_MS;
      holds(
        'no acquire ends before its time, or long after it',
        waitedMs <= latestMs,
        () => `acquire ${number} waits for ${waitedMs} ms`,
      );
    }
  }

  #anyService(): Service {
    return this.#random.chance(0.6) ? 'alpha' : 'beta';
  }

  #takeLease(): Lease | undefined {
    return this.#held.length === 0
      ? undefined
      : this.#held.splice(this.#random.below(this.#held.length), 1)[0]?.lease;
  }

  #onLease(acquire: PendingAcquire, lease: Lease): void {
    holds(
      'every acquire settles once',
      this.#waiting.delete(acquire),
      () => `acquire ${acquire.number} settled twice`,
    );
    holds(
      'first come, first served',
      acquire.overtakenBy === undefined,
      () => `acquire ${acquire.overtakenBy} was served before ${acquire.number}`,
    );
    // A caller that has left the queue settles a few ticks later than the next caller that is served.
    for (const earlier of this.#waiting) {
      if (earlier.service === acquire.service && earlier.number < acquire.number)
        earlier.overtakenBy ??= acquire.number;
    }
    this.#hold(lease, acquire.service);
  }

  #hold(lease: Lease, service: Service): void {
    this.tallies[service].acquired += 1;
    const { connectionId } = lease;
    const twice = this.#held.some((other) => other.connectionId === connectionId);
    holds('nothing is leased twice', !twice, () => `connection ${connectionId} is leased already`);
    this.#held.push({ lease, service, connectionId });
    // Looking at the socket makes the pool look at it too when it comes back: half of the time it is to go
    // without.
    if (this.#random.chance(0.5)) this.#checkSocket(lease, service);
  }

  #checkSocket({ socket }: Lease, service: Service): void {
    const facts = this.#world.factsOf(socket);
    if (facts === undefined) throw new RuleBroken('a lease is in good order', 'its socket is unknown');
    holds(
      'a lease is in good order',
      facts.service === service,
      () => `a connection to ${facts.service} was leased for ${service}`,
    );
    holds('a lease is in good order', !facts.spoilt, () => 'its connection is dead or dirty');
    holds('a lease is in good order', !facts.stale, () => 'its connection is older than the last clear');
    const read = socket.listenerCount('data') > 0 || socket.readableFlowing === true;
    holds('a lease is in good order', !read, () => 'the last caller still reads from it');
  }

  #onFailure(acquire: PendingAcquire, error: unknown): void {
    const { number, service, startedMs, timeoutMs, abort, queueFull } = acquire;
    holds(
      'every acquire settles once',
      this.#waiting.delete(acquire),
      () => `acquire ${number} settled twice`,
    );
    if (!(error instanceof BrokerPoolError)) throw error;
    holds(
      'an error says what happened',
      this.#mayFailWith(error.code),
      () => `acquire ${number} failed with ${error.code}: ${error.message}`,
    );
    if (error.code === 'QUEUE_FULL')
      holds('an error says what happened', queueFull, () => `the queue of acquire ${number} was not full`);
    if (error.code === 'ABORTED')
      holds(
        'an error says what happened',
        abort?.signal.aborted === true,
        () => 'the signal was not aborted',
      );
    if (error.code !== 'TIMEOUT') return;
    this.tallies[service].timeouts += 1;
    const waitedMs = this.#clock.nowMs - startedMs;
    holds(
      'no acquire ends before its time, or long after it',
      waitedMs >= timeoutMs,
      () => `${waitedMs} ms of ${timeoutMs} ms`,
    );
    const known = error.cause instanceof BrokerPoolError;
    holds(
      'an error says what happened',
      known || !this.#world.isDownFor(service),
      () => `acquire ${number} does not say why there is no connection`,
    );
  }

  #mayFailWith(code: string): boolean {
    return (
      ['TIMEOUT', 'ABORTED', 'QUEUE_FULL', 'BROKER_CONNECT', 'REFUSED'].includes(code) ||
      (this.ending && code === 'POOL_CLOSED')
    );
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.complaint ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}
