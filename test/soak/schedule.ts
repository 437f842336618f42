import { setTimeout as delay } from 'node:timers/promises';
import { GUEST_FAULTS } from './guest-faults.js';
import { OWN_FAULTS, PEER_FAULTS, type Fault, type FaultSurroundings } from './faults.js';
import type { Ending } from './load.js';

/** The results of all injections of one fault. */
export interface FaultRecord {
  readonly fault: Fault;
  injected: number;
  /**
   * Acquires that settled while the fault lasted, by how. Faults overlap, so an acquire may be counted with
   * two of them.
   */
  readonly endings: Map<Ending, number>;
  violations: number;
}

/** Faults of one kind come one after the other. */
const KINDS: readonly (readonly Fault[])[] = [PEER_FAULTS, OWN_FAULTS, GUEST_FAULTS];

/**
 * Injects faults at random, those of the peers, of this side and of other programs beside each other, until
 * it is stopped.
 */
export class Schedule {
  readonly records: readonly FaultRecord[] = KINDS.flat().map((fault) => ({
    fault,
    injected: 0,
    endings: new Map(),
    violations: 0,
  }));
  readonly #surroundings: FaultSurroundings;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(surroundings: FaultSurroundings) {
    this.#surroundings = surroundings;
  }

  get injected(): number {
    return this.records.reduce((sum, { injected }) => sum + injected, 0);
  }

  start(): void {
    this.#running = Promise.all(KINDS.map((faults) => this.#inject(faults)));
  }

  /** Settles when the last fault is over and its peers are there again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #inject(faults: readonly Fault[]): Promise<void> {
    const { random } = this.#surroundings;
    // Each once and in any order, then anew: none is left out by chance.
    let left: Fault[] = [];
    let round = 0;
    while (!this.#stopping.signal.aborted) {
      await delay(random.between(20, 400));
      if (left.length === 0) {
        left = faults.filter(({ oneRoundIn = 1 }) => round % oneRoundIn === 0);
        round += 1;
      }
      const [fault] = left.splice(random.between(0, left.length - 1), 1);
      const record = this.records.find((one) => one.fault === fault);
      if (record !== undefined) await this.#injectOne(record);
    }
  }

  async #injectOne(record: FaultRecord): Promise<void> {
    const { invariants, load } = this.#surroundings;
    const before = new Map(load.endings);
    const violationsBefore = invariants.violationCount;
    await record.fault.inject(this.#surroundings);
    // What it leads to may show a moment later.
    await delay(20);
    record.injected += 1;
    record.violations += invariants.violationCount - violationsBefore;
    for (const [ending, count] of load.endings) {
      const more = count - (before.get(ending) ?? 0);
      if (more > 0) record.endings.set(ending, (record.endings.get(ending) ?? 0) + more);
    }
  }
}
