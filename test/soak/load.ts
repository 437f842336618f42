import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { BrokerPoolError } from '../../src/errors.js';
import type { Lease } from '../../src/pool/lease.js';
import { ask } from '../helpers/talk.js';
import type { Invariants } from './invariants.js';
import type { SoakPool } from './pools.js';
import type { Random } from './random.js';
import { clearTimeout, nowMs, setTimeout } from './real-time.js';

/** Whatever settles an acquire: `served`, or the code of its error. */
export type Ending = string;

/** A peer that is stopped or plays dead must not hold a caller for ever. */
const PATIENCE_MS = 800;

/** Callers that never stop asking, and do with their leases whatever callers do. */
export class Load {
  readonly endings = new Map<Ending, number>();
  /** Conversations that went well, and that the peer broke off. */
  readonly talks = { whole: 0, broken: 0 };
  readonly #pools: readonly SoakPool[];
  readonly #services: readonly string[];
  readonly #random: Random;
  readonly #invariants: Invariants;
  readonly #stopping = new AbortController();
  readonly #callers: Promise<void>[] = [];
  #words = 0;

  constructor(
    pools: readonly SoakPool[],
    services: readonly string[],
    random: Random,
    invariants: Invariants,
  ) {
    this.#pools = pools;
    this.#services = services;
    this.#random = random;
    this.#invariants = invariants;
  }

  start(callers: number): void {
    for (let count = 0; count < callers; count++) this.#callers.push(this.#call());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#callers.splice(0));
  }

  /** One acquire with all that belongs to it. */
  async once(timeoutMs = this.#random.between(20, 1_500), signal?: AbortSignal): Promise<void> {
    const soakPool = this.#random.pick(this.#pools);
    const lease = await this.#acquire(soakPool, timeoutMs, signal);
    if (lease === undefined) return;
    try {
      await this.#talk(lease);
    } catch (error) {
      // A peer may die in the middle of a word; a wrong word is what must not be.
      if (error instanceof WrongWord) this.#invariants.violate(`${soakPool.name}: ${error.message}`);
      this.talks.broken += 1;
    }
    await this.#giveBack(lease);
  }

  async #call(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.once();
      if (this.#random.chance(0.1)) await delay(this.#random.between(1, 20));
      else await turn();
    }
  }

  async #acquire(
    soakPool: SoakPool,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Lease | undefined> {
    const { pool } = soakPool;
    const serviceName = this.#random.pick(this.#services);
    const startedMs = nowMs();
    soakPool.onAsk(pool);
    try {
      const lease = await pool.acquire({ serviceName, timeoutMs, ...(signal && { signal }) });
      this.#count('served');
      return lease;
    } catch (error) {
      if (error instanceof BrokerPoolError) this.#count(error.code);
      else this.#invariants.violate(`acquire threw what is no BrokerPoolError: ${String(error)}`);
      return undefined;
    } finally {
      soakPool.onSettled(pool);
      this.#invariants.settled(`${soakPool.name}: acquire of ${timeoutMs} ms`, startedMs, timeoutMs);
    }
  }

  /** Each word is unique: one that belongs to another conversation would show. */
  async #talk({ socket }: Lease): Promise<void> {
    for (let count = this.#random.between(0, 3); count > 0; count--) {
      const word = `<${++this.#words}>`;
      const limit = setTimeout(() => socket.destroy(), PATIENCE_MS);
      try {
        const answer = await ask(socket, word);
        if (answer !== word) throw new WrongWord(`said ${word}, heard ${answer}`);
      } finally {
        clearTimeout(limit);
      }
      this.talks.whole += 1;
    }
    if (this.#random.chance(0.05)) await delay(this.#random.between(1, 30));
  }

  async #giveBack(lease: Lease): Promise<void> {
    const way = this.#random.next();
    if (way < 0.05) return lease.destroy();
    if (way < 0.08) await leaveUnread(lease.socket);
    // A pool that was destroyed has ended the connection, and takes the lease back all the same.
    lease.release();
  }

  #count(ending: Ending): void {
    this.endings.set(ending, (this.endings.get(ending) ?? 0) + 1);
  }
}

/** An answer that belongs to another caller. */
class WrongWord extends Error {}

/** Asks something and waits until the answer lies there, unread. */
async function leaveUnread(socket: Socket): Promise<void> {
  socket.write('never read');
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      clearTimeout(limit);
      for (const event of ['readable', 'close', 'error']) socket.off(event, settle);
      resolve();
    };
    const limit = setTimeout(() => socket.destroy(), PATIENCE_MS);
    for (const event of ['readable', 'close', 'error']) socket.on(event, settle);
    if (socket.destroyed) settle();
  });
}
