import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import {
  BrokerPool,
  BrokerPoolError,
  connectSharedPool,
  type Lease,
  type SharedPool,
} from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import { startSystem, type TestSystem } from '../helpers/system.js';
import { ask } from '../helpers/talk.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from './kit.js';

const MAX = 3;
const CLIENTS = 3;

/**
 * What happens next. `who` is a client, or the pool itself; `which` one of its leases or waiting acquires.
 */
const STEP = fc.record({
  who: fc.nat(CLIENTS),
  which: fc.nat(5),
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('acquire' as const) },
    { weight: 4, arbitrary: fc.constant('release' as const) },
    { weight: 3, arbitrary: fc.constant('echo' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('destroy', 'soil', 'abort', 'hurry', 'drop', 'clear', 'rejoin', 'pause'),
    },
  ),
});

/** A lease, and an acquire that waits for one, of one of those who share. */
interface Party {
  source: Pick<SharedPool, 'acquire'>;
  shared: SharedPool | undefined;
  leases: Lease[];
  readonly waiting: Map<number, AbortController>;
}

/** Runs steps against a pool that is shared with several clients, and looks at what must hold after each. */
class Run {
  readonly #system: TestSystem;
  readonly #pool: BrokerPool;
  readonly #parties: Party[] = [];
  readonly #settling: Promise<void>[] = [];
  readonly #held = new Set<number>();
  readonly problems: string[] = [];
  #asked = 0;
  settled = 0;

  constructor(system: TestSystem) {
    this.#system = system;
    this.#pool = new BrokerPool({ ...system.target, max: MAX, acquireTimeoutMs: 20_000 });
    // A connection that has died takes no place of `max`, though its caller may still have the lease.
    this.#pool.on('connectionClosed', ({ connectionId }) => this.#held.delete(connectionId));
    this.#parties.push({ source: this.#pool, shared: undefined, leases: [], waiting: new Map() });
  }

  async start(): Promise<void> {
    for (let client = 0; client < CLIENTS; client++) {
      const shared = await connectSharedPool(this.#pool.share());
      this.#parties.push({ source: shared, shared, leases: [], waiting: new Map() });
    }
  }

  async step({
    who,
    which,
    what,
  }: {
    readonly who: number;
    readonly which: number;
    readonly what: string;
  }): Promise<void> {
    const party = this.#parties[who];
    if (party === undefined) return;
    const lease = party.leases[which % Math.max(1, party.leases.length)];
    switch (what) {
      case 'acquire':
        return this.#acquire(party, {});
      case 'hurry':
        return this.#acquire(party, { timeoutMs: 1 });
      case 'abort':
        return party.waiting.values().next().value?.abort();
      case 'release':
        return lease && this.#end(party, lease, () => lease.release());
      case 'destroy':
        return lease && this.#end(party, lease, () => lease.destroy());
      case 'soil':
        return (
          lease &&
          this.#end(party, lease, () => {
            lease.socket.write('never read');
            lease.release();
          })
        );
      case 'echo':
        return lease && (await this.#echo(lease));
      case 'drop':
        return this.#system.backend.dropAll();
      case 'clear':
        return this.#pool.clear();
      case 'rejoin':
        return party.shared && (await this.#rejoin(party, party.shared));
      default:
        await turn();
    }
    if (this.#pool.stats().total > MAX) this.problems.push(`total ${this.#pool.stats().total}`);
  }

  /** Gives everything back; callers that still wait are served. */
  async finish(): Promise<void> {
    while (this.settled < this.#asked) {
      for (const party of this.#parties)
        for (const lease of party.leases) this.#end(party, lease, () => lease.release());
      await turn();
    }
    await Promise.all(this.#settling);
    for (const party of this.#parties)
      for (const lease of party.leases) this.#end(party, lease, () => lease.release());
    if (this.settled > this.#asked) this.problems.push(`${this.#asked} asked, ${this.settled} settled`);
    const quiet = await until(() => this.#pool.stats().leased === 0 && this.#pool.stats().waiting === 0);
    if (!quiet) this.problems.push(`left over: ${JSON.stringify(this.#pool.stats())}`);
    for (const { shared } of this.#parties) await shared?.close({ timeoutMs: 0 });
    await this.#pool.close({ timeoutMs: 0 });
  }

  #acquire(party: Party, options: { timeoutMs?: number }): void {
    const number = ++this.#asked;
    const aborter = new AbortController();
    party.waiting.set(number, aborter);
    const settled = (): void => {
      party.waiting.delete(number);
      this.settled += 1;
    };
    this.#settling.push(
      this.#settle(party, party.source.acquire({ ...options, signal: aborter.signal }), settled),
    );
  }

  async #settle(party: Party, acquiring: Promise<Lease>, settled: () => void): Promise<void> {
    let lease: Lease;
    try {
      lease = await acquiring;
    } catch (error) {
      const code = error instanceof BrokerPoolError ? error.code : String(error);
      if (!['ABORTED', 'TIMEOUT', 'POOL_CLOSED'].includes(code)) this.problems.push(code);
      return;
    } finally {
      settled();
    }
    if (this.#held.has(lease.connectionId))
      this.problems.push(`connection ${lease.connectionId} is leased twice`);
    this.#held.add(lease.connectionId);
    if (this.#held.size > MAX) this.problems.push(`${this.#held.size} leases`);
    party.leases.push(lease);
  }

  #end(party: Party, lease: Lease, how: () => void): void {
    party.leases = party.leases.filter((other) => other !== lease);
    this.#held.delete(lease.connectionId);
    how();
  }

  async #echo(lease: Lease): Promise<void> {
    const word = `${lease.connectionId} ${this.#asked} ${this.settled}`;
    // A backend that hung up ends the conversation, and no other word may come of it.
    const reply = await ask(lease.socket, word).catch(() => '');
    if (reply !== word && reply !== '') this.problems.push(`got ${reply} for ${word}`);
  }

  /** Leaves with everything that is out, and comes back on another port. */
  async #rejoin(party: Party, shared: SharedPool): Promise<void> {
    await shared.close({ timeoutMs: 0 });
    for (const lease of party.leases) this.#end(party, lease, () => lease.release());
    party.shared = await connectSharedPool(this.#pool.share());
    party.source = party.shared;
  }
}

testWhere(canShare, SHARING)(
  'after any steps of several clients, no connection was leased twice, each acquire settled once, and each lease came back',
  async (t) => {
    const system = await startSystem(t);
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 20, maxLength: 120 }), async (steps) => {
        const run = new Run(system);
        await run.start();
        for (const step of steps) await run.step(step);
        await run.finish();
        return run.problems.length === 0 || Promise.reject(new Error(run.problems.join('; ')));
      }),
      { numRuns: 20, includeErrorInReport: true },
    );
    t.pass();
  },
);
