import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPool } from '../../../src/index.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { Callers } from './callers.js';
import { EventLedger } from './event-ledger.js';
import { holds } from './rules.js';
import { scenarioFor, SERVICES, type Scenario } from './scenario.js';
import { checkState, describe, type TargetFacts } from './state-checks.js';
import { World } from './world.js';

/** How often each step is taken, beside the others. */
const WEIGHTS = {
  acquire: 12,
  burst: 3,
  tryAcquire: 3,
  abort: 2,
  warm: 0.5,
  release: 14,
  releaseDirty: 1,
  destroy: 2,
  detach: 1.5,
  rest: 1,
  closeDetached: 1.5,
  clear: 0.6,
  settle: 16,
  brokerDown: 0.5,
  brokerUp: 1.5,
  backendDies: 0.8,
  connectionBreaks: 1,
  backendSpeaks: 0.6,
  validated: 5,
  validateFails: 1,
  turnEnds: 5,
  longTurn: 1,
  time: 6,
};

/** How long the pool opens nothing for `min` after a final refusal. */
const LONGEST_SPARE_PAUSE_MS = 45_000;

type Step = keyof typeof WEIGHTS;

/** A pool between a broker, backends and callers that act at random. */
export class PoolModel {
  readonly #random: SeededRandom;
  readonly #clock: FakeClock;
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #pool: BrokerPool;
  readonly #callers: Callers;
  readonly #ledger: EventLedger | undefined;
  readonly #history: string[] = [];
  #ended = false;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    const clock = new FakeClock(() => random.next());
    const world = new World(random, clock);
    this.#random = random;
    this.#clock = clock;
    this.#world = world;
    this.#scenario = scenarioFor(random, (connection) => world.validate(connection));
    this.#pool = new BrokerPool(this.#scenario.options, clock, () => world.driver);
    // Else it would be a warning of the process.
    this.#pool.on('leakSuspected', () => {});
    if (this.#scenario.listens) this.#ledger = new EventLedger(this.#pool);
    this.#callers = new Callers(this.#pool, this.#scenario, world, clock, random);
  }

  /** Takes so many steps, ends the pool, and checks that everything has ended with it. */
  async run(steps: number): Promise<void> {
    try {
      for (let taken = 0; taken < steps;) {
        // Several steps in one turn find faults that show before the first has taken effect.
        const count = this.#random.chance(0.7) ? 1 : 1 + this.#random.below(4);
        await this.#cachedClock(() => {
          for (let step = 0; step < count; step++) this.#step();
        });
        taken += count;
        this.#check();
        if (this.#random.chance(0.02)) await this.#quieten();
      }
      await this.#end();
    } catch (error) {
      if (error instanceof Error) error.message += `\n  after: ${this.#history.slice(-25).join(', ')}`;
      throw error;
    }
  }

  /** Acts in one turn, and waits for all effects that need no time. */
  async #cachedClock(doSomething: () => void): Promise<void> {
    this.#world.beginTurn();
    doSomething();
    await turn();
    this.#world.endTurn();
    if (this.#callers.complaint !== undefined) throw this.#callers.complaint;
  }

  #step(): void {
    const name = this.#random.weighted(WEIGHTS);
    this.#history.push(name);
    this.#steps[name]();
  }

  readonly #steps: Readonly<Record<Step, () => void>> = {
    acquire: () => this.#callers.acquire(),
    burst: () => {
      for (let count = 1 + this.#random.below(5); count > 0; count--) this.#callers.acquire();
    },
    tryAcquire: () => this.#callers.tryAcquire(),
    abort: () => this.#callers.abort(),
    warm: () => this.#callers.warm(),
    release: () => this.#callers.release(),
    releaseDirty: () => this.#callers.releaseDirty(),
    destroy: () => this.#callers.destroyLease(),
    detach: () => this.#callers.detach(),
    rest: () => this.#callers.restDetached(),
    closeDetached: () => this.#callers.closeDetached(),
    clear: () => this.#callers.clear(),
    settle: () => this.#world.settleJob(),
    brokerDown: () => (this.#world.brokerUp = false),
    brokerUp: () => (this.#world.brokerUp = true),
    backendDies: () => this.#world.kill((socket) => socket.push(null)),
    connectionBreaks: () =>
      this.#world.kill((socket) => socket.destroy(this.#random.chance(0.5) ? new Error('reset') : undefined)),
    backendSpeaks: () => this.#random.pick(this.#world.openSockets())?.push('unasked'),
    validated: () => this.#world.answerValidation(true),
    validateFails: () =>
      this.#world.answerValidation(this.#random.chance(0.5) ? false : new Error('no ping')),
    turnEnds: () => this.#clock.endTurn(),
    longTurn: () => (this.#clock.nowMs += this.#random.below(300)),
    time: () => this.#clock.advance(this.#random.pick([1, 5, 50, 300, 1_000, 2_500, 8_000]) ?? 1),
  };

  #check(): void {
    const stats = this.#pool.stats();
    // One that has died while it is leased counts until it comes back.
    const open = this.#world.openSockets().length;
    holds(
      'nothing is left open',
      open <= stats.total,
      () => `${open} sockets are open, the pool knows ${stats.total}`,
    );
    checkState(stats, this.#scenario, (serviceName) => this.#factsOf(serviceName));
    this.#callers.checkThoseWhoWait();
    this.#ledger?.check();
  }

  #factsOf(serviceName: string): TargetFacts {
    const service = SERVICES.find((name) => name === serviceName) ?? 'alpha';
    return {
      held: this.#callers.holding(service),
      queued: this.#callers.waitingFor(service),
      tally: this.#callers.tallies[service],
      connectFailures: this.#world.connectFailures[service],
      youngValidations: this.#world.youngValidations(service),
      sinceFailureMs: this.#clock.nowMs - this.#world.lastFailureMs[service],
    };
  }

  /** Everything works and all leases come back: no caller may wait on, and the pool must become warm. */
  async #quieten(): Promise<void> {
    this.#history.push('quiet');
    this.#world.brokerUp = true;
    this.#world.quiet = true;
    const answerEverybody = (): void => {
      this.#world.settleAll();
      this.#callers.releaseAll();
    };
    for (let round = 0; round < 40; round++) {
      await this.#cachedClock(answerEverybody);
      await this.#cachedClock(() => this.#clock.advance(500));
    }
    // A final refusal is respected for so long.
    await this.#cachedClock(() => this.#clock.advance(LONGEST_SPARE_PAUSE_MS));
    // One more for each connection whose lifetime may just have been over.
    for (let round = 0; round < 10; round++) await this.#cachedClock(answerEverybody);
    this.#world.quiet = false;
    this.#check();
    for (const target of this.#pool.stats().targets) {
      holds('no caller waits while a connection can be opened', target.waiting === 0, () => describe(target));
      const { total, serviceName } = target;
      if (this.#callers.warmed.has(serviceName))
        holds('the pool refills by itself', total >= this.#scenario.min, () => describe(target));
      else holds('a target that was never warmed keeps no connection', total === 0, () => describe(target));
    }
  }

  async #end(): Promise<void> {
    this.#callers.ending = true;
    const way = this.#random.weighted({ close: 1, closeInTime: 1, destroy: 1, closeThenDestroy: 1 });
    this.#history.push(way);
    await this.#cachedClock(() => {
      if (this.#random.chance(0.5)) this.#world.settleJob();
      const ending = way === 'destroy' ? this.#pool.destroy() : this.#pool.close({ timeoutMs: 3_000 });
      void ending.then(() => (this.#ended = true));
      if (way === 'closeThenDestroy') void this.#pool.destroy();
      if (this.#random.chance(0.5)) this.#callers.release();
    });
    for (let round = 0; round < 12 && !this.#ended; round++) {
      await this.#cachedClock(() => {
        this.#world.settleJob();
        if (way === 'closeInTime') this.#callers.release();
        this.#clock.advance(300);
      });
    }
    holds('the pool ends', this.#ended, () => `${way} is still not through`);
    await this.#cachedClock(() => {
      this.#callers.releaseAll();
      this.#clock.endTurn();
    });
    this.#checkEnd();
  }

  #checkEnd(): void {
    const { total, waiting, connecting } = this.#pool.stats();
    const left = {
      total,
      waiting,
      connecting,
      sockets: this.#world.openSockets().length,
      timers: this.#clock.pending,
    };
    for (const [what, count] of Object.entries(left))
      holds('nothing is left open', count === 0, () => `${what}: ${count}`);
    holds(
      'every acquire settles once',
      this.#callers.unsettled === 0,
      () => `${this.#callers.unsettled} never settled`,
    );
    this.#ledger?.checkEnd();
  }
}
