import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPool, BrokerPoolError, type Lease, type TargetStats } from '../../../src/index.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { connected, failed, FakeDriver, FakeSocket, type PendingJob } from '../../helpers/fake-peers.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { holds, RuleBroken } from './rules.js';
import { EventLedger } from './event-ledger.js';
import { scenarioFor, SERVICES, type Scenario, type Service } from './scenario.js';

/** How much later than its time an acquire may end: the pool looks through those who wait every few milliseconds. */
const LATEST_MS = 25;
/** Longer than any pause between connects. */
const LONGEST_PAUSE_MS = 6_000;

interface PendingAcquire {
  readonly number: number;
  readonly service: Service;
  readonly startedMs: number;
  readonly timeoutMs: number;
  readonly abort: AbortController | undefined;
}

interface HeldLease {
  readonly lease: Lease;
  readonly service: Service;
  readonly connectionId: number;
}

/** A connection as the model knows it. */
interface Peer {
  readonly socket: FakeSocket;
  readonly service: Service;
  /** How often the target had been cleared when its connect began. */
  readonly generation: number;
}

interface Validation {
  readonly socket: FakeSocket;
  readonly answer: (healthy: boolean | Error) => void;
}

const newTally = () => ({ acquired: 0, timeouts: 0, connectFailures: 0 });

/** A pool between a broker, backends and callers that do whatever chance has them do. */
export class PoolModel {
  readonly #random: SeededRandom;
  readonly #clock: FakeClock;
  readonly #driver = new FakeDriver();
  readonly #scenario: Scenario;
  readonly #pool: BrokerPool;
  readonly #ledger: EventLedger | undefined;
  readonly #waiting = new Set<PendingAcquire>();
  readonly #held: HeldLease[] = [];
  readonly #peers = new Map<FakeSocket, Peer>();
  readonly #jobs = new Map<PendingJob, { service: Service; generation: number }>();
  readonly #validations = new Set<Validation>();
  readonly #generations: Record<Service, number> = { alpha: 0, beta: 0 };
  readonly #lastFailureMs: Record<Service, number> = { alpha: -Infinity, beta: -Infinity };
  readonly #tallies: Record<Service, ReturnType<typeof newTally>> = { alpha: newTally(), beta: newTally() };
  readonly #warmUps = new Set<Promise<void>>();
  /** What this batch of steps has cleared or spoilt may have been leased before, in the same turn. */
  #clearedInBatch = new Set<Service>();
  #spoiltInBatch = new Set<FakeSocket>();
  readonly #failedInBatch = new Set<Service>();
  #brokerUp = true;
  #acquires = 0;
  #quiet = false;
  #ending = false;
  #ended = false;
  /** What callbacks find wrong; thrown when the batch is over. */
  #broken: Error | undefined;
  readonly #history: string[] = [];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#clock = new FakeClock(() => this.#random.next());
    this.#scenario = scenarioFor(this.#random, ({ socket }) => this.#onValidate(socket));
    this.#driver.onStart = (job) => this.#onJob(job);
    this.#pool = new BrokerPool(this.#scenario.options, { clock: this.#clock, createDriver: () => this.#driver });
    this.#pool.on('leakSuspected', () => {});
    if (this.#scenario.listens) this.#ledger = new EventLedger(this.#pool);
  }

  /** Takes so many steps, ends the pool, and looks whether everything has ended with it. */
  async run(steps: number): Promise<void> {
    try {
      for (let taken = 0; taken < steps; ) {
        const batch = this.#random.chance(0.7) ? 1 : 1 + this.#random.below(4);
        await this.#batch(() => {
          for (let step = 0; step < batch; step++) this.#step();
        });
        taken += batch;
        this.#checkAll();
        if (this.#random.chance(0.02)) await this.#quieten();
      }
      await this.#end();
    } catch (error) {
      if (error instanceof Error) error.message += `\n  after: ${this.#history.slice(-25).join(', ')}`;
      throw error;
    }
  }

  /** Runs steps in one turn, and waits for all that follows from them without time passing. */
  async #batch(steps: () => void): Promise<void> {
    this.#clearedInBatch = new Set();
    this.#spoiltInBatch = new Set();
    steps();
    await turn();
    // The pool hears of a failure when the batch is over, however much time has passed in it.
    for (const service of this.#failedInBatch) this.#lastFailureMs[service] = this.#clock.nowMs;
    this.#failedInBatch.clear();
    if (this.#broken !== undefined) throw this.#broken;
  }

  readonly #steps: Readonly<Record<string, () => void>> = {
    acquire: () => this.#acquire(),
    burst: () => {
      for (let count = 1 + this.#random.below(5); count > 0; count--) this.#acquire();
    },
    tryAcquire: () => this.#tryAcquire(),
    release: () => this.#release(),
    destroy: () => this.#takeLease()?.lease.destroy(this.#random.pick(['destroyed', 'error', 'invalid'] as const)),
    abort: () => this.#random.pick([...this.#waiting].filter(({ abort }) => abort !== undefined))?.abort?.abort(),
    clear: () => this.#clear(),
    warm: () => this.#warm(),
    settle: () => this.#settleJob(),
    brokerDown: () => (this.#brokerUp = false),
    brokerUp: () => (this.#brokerUp = true),
    backendDies: () => this.#spoil((socket) => socket.push(null)),
    connectionBreaks: () => this.#spoil((socket) => socket.destroy(this.#random.chance(0.5) ? new Error('reset') : undefined)),
    backendSpeaks: () => this.#random.pick(this.#openSockets())?.push('unasked'),
    releaseDirty: () => this.#releaseDirty(),
    validated: () => this.#random.pick([...this.#validations])?.answer(true),
    validateFails: () => this.#random.pick([...this.#validations])?.answer(this.#random.chance(0.5) ? false : new Error('no ping')),
    turnEnds: () => this.#clock.endTurn(),
    longTurn: () => (this.#clock.nowMs += this.#random.below(300)),
    time: () => this.#clock.advance(this.#random.pick([1, 5, 50, 300, 1_000, 2_500, 8_000]) ?? 1),
  };

  static readonly #weights = {
    acquire: 12, burst: 3, tryAcquire: 3, release: 14, destroy: 2, abort: 2, clear: 0.6, warm: 0.5, settle: 16, brokerDown: 0.5, brokerUp: 1.5,
    backendDies: 0.8, connectionBreaks: 1, backendSpeaks: 0.6, releaseDirty: 1, validated: 5, validateFails: 1, turnEnds: 5, longTurn: 1, time: 6,
  };

  #step(): void {
    const name = this.#random.weighted(PoolModel.#weights);
    this.#history.push(name);
    this.#steps[name]?.();
  }

  #service(): Service {
    return this.#random.chance(0.6) ? 'alpha' : 'beta';
  }

  #acquire(): void {
    const service = this.#service();
    const abort = this.#random.chance(0.3) ? new AbortController() : undefined;
    const timeoutMs = this.#random.chance(0.5) ? 2_000 : 1 + this.#random.below(1_500);
    const acquire: PendingAcquire = { number: ++this.#acquires, service, startedMs: this.#clock.nowMs, timeoutMs, abort };
    this.#waiting.add(acquire);
    const promise = this.#pool.acquire({ serviceName: service, timeoutMs, ...(abort && { signal: abort.signal }) });
    promise.then(
      (lease) => this.#guard(() => this.#onLease(acquire, lease)),
      (error: unknown) => this.#guard(() => this.#onFailure(acquire, error)),
    );
  }

  #tryAcquire(): void {
    const service = this.#service();
    const lease = this.#pool.tryAcquire({ serviceName: service });
    if (lease === undefined) return;
    this.#hold(lease, service);
  }

  #onLease(acquire: PendingAcquire, lease: Lease): void {
    holds('every acquire settles once', this.#waiting.delete(acquire), () => `acquire ${acquire.number} settled twice`);
    const earlier = [...this.#waiting].find(({ service, number }) => service === acquire.service && number < acquire.number);
    holds('first come, first served', earlier === undefined, () => `acquire ${acquire.number} was served before ${earlier?.number}`);
    this.#hold(lease, acquire.service);
  }

  #hold(lease: Lease, service: Service): void {
    this.#tallies[service].acquired += 1;
    const { connectionId } = lease;
    const twice = this.#held.some((other) => other.connectionId === connectionId);
    holds('nothing is leased twice', !twice, () => `connection ${connectionId} is leased already`);
    this.#held.push({ lease, service, connectionId });
    // Looking at the socket makes the pool look at it too when it comes back: half of the time it is to go without.
    if (this.#random.chance(0.5)) this.#checkSocket(lease, service);
  }

  #checkSocket(lease: Lease, service: Service): void {
    const { socket } = lease;
    const peer = socket instanceof FakeSocket ? this.#peers.get(socket) : undefined;
    if (peer === undefined) throw new RuleBroken('a lease is in good order', 'its socket is unknown');
    holds('a lease is in good order', peer.service === service, () => `a connection to ${peer.service} was leased for ${service}`);
    const spoilt = peer.socket.spoilt && !this.#spoiltInBatch.has(peer.socket);
    holds('a lease is in good order', !spoilt, () => 'its connection is dead or dirty');
    const stale = peer.generation < this.#generations[service] && !this.#clearedInBatch.has(service);
    holds('a lease is in good order', !stale, () => 'its connection is older than the last clear');
    const read = socket.listenerCount('data') > 0 || socket.readableFlowing === true;
    holds('a lease is in good order', !read, () => 'the last caller still reads from it');
  }

  #onFailure({ number, service, startedMs, timeoutMs }: PendingAcquire, error: unknown): void {
    const known = [...this.#waiting].find((acquire) => acquire.number === number);
    holds('every acquire settles once', known !== undefined && this.#waiting.delete(known), () => `acquire ${number} settled twice`);
    if (!(error instanceof BrokerPoolError)) throw error;
    const { code } = error;
    const expected = ['TIMEOUT', 'ABORTED', 'QUEUE_FULL', 'BROKER_CONNECT', 'REFUSED', ...(this.#ending ? ['POOL_CLOSED'] : [])];
    holds('an error says what happened', expected.includes(code), () => `acquire ${number} failed with ${code}: ${error.message}`);
    if (code === 'ABORTED') holds('an error says what happened', known?.abort?.signal.aborted === true, () => 'nobody aborted');
    if (code !== 'TIMEOUT') return;
    this.#tallies[service].timeouts += 1;
    const waitedMs = this.#clock.nowMs - startedMs;
    holds('no acquire ends before its time, or long after it', waitedMs >= timeoutMs, () => `${waitedMs} ms of ${timeoutMs} ms`);
  }

  #takeLease(): HeldLease | undefined {
    return this.#held.length === 0 ? undefined : this.#held.splice(this.#random.below(this.#held.length), 1)[0];
  }

  #release(): void {
    const held = this.#takeLease();
    if (held === undefined) return;
    if (this.#random.chance(0.2)) held.lease.socket.on('data', () => {});
    held.lease.release();
  }

  #clear(): void {
    const all = this.#random.chance(0.3);
    const services = all ? SERVICES : [this.#service()];
    for (const service of services) {
      this.#generations[service] += 1;
      this.#clearedInBatch.add(service);
      if (!all) this.#pool.clear({ serviceName: service });
    }
    if (all) this.#pool.clear();
  }

  #warm(): void {
    const warmUp = this.#pool.warm({ serviceName: this.#service(), timeoutMs: 1_500 });
    const onEnd = (error?: unknown): void => {
      this.#warmUps.delete(warmUp);
      const known = error === undefined || error instanceof BrokerPoolError;
      this.#guard(() => holds('an error says what happened', known, () => String(error)));
    };
    this.#warmUps.add(warmUp);
    warmUp.then(onEnd, onEnd);
  }

  #onJob(job: PendingJob): void {
    const service = SERVICES.find((name) => Buffer.from(job.job.request).includes(name)) ?? 'alpha';
    this.#jobs.set(job, { service, generation: this.#generations[service] });
  }

  #settleJob(job = this.#random.pick([...this.#driver.pending])): void {
    const begun = job && this.#jobs.get(job);
    if (job === undefined || begun === undefined) return;
    this.#jobs.delete(job);
    const { service, generation } = begun;
    if (!this.#brokerUp || (!this.#quiet && this.#random.chance(0.05))) {
      this.#failedInBatch.add(service);
      this.#tallies[service].connectFailures += 1;
      const refused = this.#random.chance(0.2);
      job.settle(
        refused
          ? failed({ code: 'REFUSED', message: 'unknown', refusalKind: 'serviceUnknown', refusalCode: 2 })
          : failed({ code: 'BROKER_CONNECT', message: 'broker is down' }),
      );
      return;
    }
    const socket = new FakeSocket();
    this.#peers.set(socket, { socket, service, generation });
    job.settle(connected(socket));
  }

  #spoil(how: (socket: FakeSocket) => void): void {
    // The pool watches a socket by its `push`.
    const socket = this.#random.pick(this.#openSockets().filter((each) => !each.spoilt && Object.hasOwn(each, 'push')));
    if (socket === undefined) return;
    socket.spoilt = true;
    this.#spoiltInBatch.add(socket);
    how(socket);
  }

  /** Unread bytes of one conversation must not become the next one's. */
  #releaseDirty(): void {
    const lease = this.#takeLease()?.lease;
    if (lease === undefined) return;
    const { socket } = lease;
    socket.push('the answer to a question of the last caller');
    if (socket instanceof FakeSocket) {
      socket.spoilt = true;
      this.#spoiltInBatch.add(socket);
    }
    lease.release();
  }

  #onValidate(socket: unknown): Promise<boolean> {
    if (!(socket instanceof FakeSocket)) throw new Error('an unknown socket');
    return new Promise((resolve, reject) => {
      const validation: Validation = {
        socket,
        answer: (healthy) => {
          this.#validations.delete(validation);
          if (healthy instanceof Error) reject(healthy);
          else resolve(healthy);
        },
      };
      this.#validations.add(validation);
    });
  }

  #openSockets(): FakeSocket[] {
    for (const { socket } of this.#peers.values()) if (socket.destroyed) this.#peers.delete(socket);
    return [...this.#peers.keys()];
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  #checkAll(): void {
    const { targets, total } = this.#pool.stats();
    holds('the limits hold', sumHeld(targets) <= this.#scenario.maxTotal, () => `${sumHeld(targets)} of ${this.#scenario.maxTotal} in all`);
    // One that has died while it is leased counts until it comes back.
    const open = this.#openSockets().length;
    holds('nothing is left open', open <= total, () => `${open} sockets are open, the pool knows ${total}`);
    for (const target of targets) {
      this.#checkLimits(target);
      this.#checkCounts(target);
      this.#checkWaiting(target, targets);
    }
    this.#checkDeadlines();
    this.#ledger?.check();
  }

  #checkLimits({ serviceName, total, connecting, waiting }: TargetStats): void {
    const { max, maxConnecting, maxWaiting } = this.#scenario;
    const what = `${serviceName}: total ${total}, connecting ${connecting}, waiting ${waiting}`;
    holds('the limits hold', total + connecting <= max && connecting <= maxConnecting && waiting <= maxWaiting, () => what);
  }

  #checkCounts(target: TargetStats): void {
    const { serviceName, total, idle, leased, waiting, created, closedByReason, acquiredByRoute, waitMs, timeouts, connectFailures } = target;
    const service = SERVICES.find((name) => name === serviceName) ?? 'alpha';
    const tally = this.#tallies[service];
    const held = this.#held.filter((each) => each.service === serviceName).length;
    const queued = [...this.#waiting].filter((each) => each.service === serviceName).length;
    const facts = {
      total: [total, created - sumOf(closedByReason)],
      reserved: [Math.max(0, total - idle - leased), total - idle - leased],
      leased: [leased, held],
      waiting: [waiting, queued],
      acquired: [sumOf(acquiredByRoute), tally.acquired],
      waits: [waitMs.count, tally.acquired],
      buckets: [sumOf(waitMs.counts), tally.acquired],
      timeouts: [timeouts, tally.timeouts],
      // Those who waited for another's Hello share its failure.
      connectFailures: [Math.max(connectFailures, tally.connectFailures), connectFailures],
    };
    for (const [name, [counted, expected]] of Object.entries(facts)) {
      holds('the counts add up', counted === expected, () => `${serviceName}: ${name} is ${counted}, not ${expected}`);
    }
  }

  #checkWaiting(target: TargetStats, all: readonly TargetStats[]): void {
    const { serviceName, total, idle, leased, connecting, waiting } = target;
    const coming = connecting + total - idle - leased;
    if (waiting <= coming) return;
    const what = (): string => `${serviceName}: waiting ${waiting}, idle ${idle}, leased ${leased}, connecting ${connecting}, total ${total}`;
    holds('nobody waits while an idle connection is good', idle === 0, what);
    const service = SERVICES.find((name) => name === serviceName) ?? 'alpha';
    // With nothing open and nothing on its way, nobody may be left to wait for the end of a pause.
    const pausing = total + connecting > 0 && this.#clock.nowMs - this.#lastFailureMs[service] < LONGEST_PAUSE_MS;
    const { max, maxConnecting, maxTotal } = this.#scenario;
    if (pausing || total + connecting >= max || connecting >= maxConnecting) return;
    holds('nobody waits for nothing', sumHeld(all) >= maxTotal, what);
    const inTheWay = all.find((other) => other !== target && other.waiting === 0 && other.idle > 0);
    holds('nobody waits for nothing', inTheWay === undefined, () => `${what()}; ${inTheWay?.serviceName} has ${inTheWay?.idle} idle`);
  }

  #checkDeadlines(): void {
    for (const { number, startedMs, timeoutMs, abort } of this.#waiting) {
      holds('every acquire settles once', abort?.signal.aborted !== true, () => `acquire ${number} still waits after its abort`);
      const waitedMs = this.#clock.nowMs - startedMs;
      // A long turn counts as waiting, but nobody is told before it ends; it counts anew from its end.
      const latestMs = 2 * timeoutMs + LATEST_MS + 1_200;
      holds('no acquire ends before its time, or long after it', waitedMs <= latestMs, () => `acquire ${number} waits for ${waitedMs} ms`);
    }
  }

  /** Everything works and everybody comes back: the pool must become warm and hold on to nothing else. */
  async #quieten(): Promise<void> {
    this.#history.push('quiet');
    this.#brokerUp = true;
    this.#quiet = true;
    const answerEverybody = (): void => {
      for (const job of this.#driver.pending) this.#settleJob(job);
      for (const { answer } of this.#validations) answer(true);
      while (this.#held.length > 0) this.#takeLease()?.lease.release();
    };
    for (let round = 0; round < 40; round++) {
      await this.#batch(answerEverybody);
      await this.#batch(() => this.#clock.advance(500));
    }
    // One more for each connection whose lifetime may just have been over.
    for (let round = 0; round < 5; round++) await this.#batch(answerEverybody);
    this.#checkAll();
    const { targets } = this.#pool.stats();
    for (const { serviceName, total, connecting, waiting } of targets) {
      const what = `${serviceName}: total ${total}, connecting ${connecting}, waiting ${waiting}`;
      holds('nobody waits for nothing', waiting === 0, () => what);
      holds('the pool refills by itself', total >= this.#scenario.min, () => what);
    }
    this.#quiet = false;
  }

  async #end(): Promise<void> {
    this.#ending = true;
    const ways = { close: 1, closeInTime: 1, destroy: 1, closeThenDestroy: 1 };
    const way = this.#random.weighted(ways);
    this.#history.push(way);
    const end = (): void => {
      const ending = way === 'destroy' ? this.#pool.destroy() : this.#pool.close({ timeoutMs: 3_000 });
      void ending.then(() => (this.#ended = true));
    };
    await this.#batch(() => {
      if (this.#random.chance(0.5)) this.#settleJob();
      end();
      if (way === 'closeThenDestroy') void this.#pool.destroy();
      if (this.#random.chance(0.5)) this.#release();
    });
    for (let round = 0; round < 12 && !this.#ended; round++) {
      await this.#batch(() => {
        this.#settleJob();
        if (way === 'closeInTime') this.#release();
        this.#clock.advance(300);
      });
    }
    holds('the pool ends', this.#ended, () => `${way} is still not through`);
    await this.#batch(() => {
      while (this.#held.length > 0) this.#takeLease()?.lease.release();
      this.#clock.endTurn();
    });
    holds('the pool ends', this.#warmUps.size === 0, () => 'somebody still waits for it to be warm');
    const { total, waiting, connecting } = this.#pool.stats();
    holds('nothing is left open', total + waiting + connecting + this.#openSockets().length + this.#clock.pending === 0, () =>
      `total ${total}, waiting ${waiting}, connecting ${connecting}, sockets ${this.#openSockets().length}, timers ${this.#clock.pending}`,
    );
    holds('every acquire settles once', this.#waiting.size === 0, () => `${this.#waiting.size} acquires never settled`);
    this.#ledger?.checkEnd();
  }
}

function sumHeld(targets: readonly TargetStats[]): number {
  return targets.reduce((sum, { total, connecting }) => sum + total + connecting, 0);
}

function sumOf(counts: Readonly<Record<string, number>> | readonly number[]): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
