import type { BrokerPool } from '../../../src/index.js';
import { holds, RuleBroken } from './rules.js';

/** Keeps the books of a pool by its events alone. */
export class EventLedger {
  readonly #pool: BrokerPool;
  readonly #started = new Set<number>();
  readonly #leased = new Map<number, number>();
  readonly #connecting = new Map<number, { spare: boolean; service: string }>();
  readonly #open = new Set<number>();
  #closed = false;
  #broken: Error | undefined;

  constructor(pool: BrokerPool) {
    this.#pool = pool;
    pool.on(
      'acquireStarted',
      this.#guard(({ acquireId }) => this.#started.add(acquireId)),
    );
    pool.on(
      'acquired',
      this.#guard(({ acquireId, connectionId }) => {
        this.#settle(acquireId);
        holds(
          'nothing is leased twice',
          ![...this.#leased.values()].includes(connectionId),
          () => `connection ${connectionId}, by events`,
        );
        this.#leased.set(acquireId, connectionId);
      }),
    );
    pool.on(
      'acquireFailed',
      this.#guard(({ acquireId }) => this.#settle(acquireId)),
    );
    pool.on(
      'released',
      this.#guard(({ acquireId, connectionId }) => {
        holds(
          'the counts add up',
          this.#leased.get(acquireId) === connectionId,
          () => `lease ${acquireId} was not out`,
        );
        this.#leased.delete(acquireId);
      }),
    );
    pool.on(
      'connectionCreated',
      this.#guard(({ connectionId, target: { serviceName } }) => this.#onCreated(connectionId, serviceName)),
    );
    pool.on(
      'connectionReady',
      this.#guard(({ connectionId }) => {
        holds(
          'the counts add up',
          this.#connecting.delete(connectionId),
          () => `connection ${connectionId} was not being opened`,
        );
        this.#open.add(connectionId);
      }),
    );
    pool.on(
      'connectionClosed',
      this.#guard(({ connectionId, wasReady }) => {
        const known = wasReady ? this.#open.delete(connectionId) : this.#connecting.delete(connectionId);
        holds('the counts add up', known, () => `connection ${connectionId} was closed twice`);
      }),
    );
    pool.on(
      'closed',
      this.#guard(() => (this.#closed = true)),
    );
  }

  /** All events agree with the pool's own counts. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
    const { total, connecting, pausing, waiting, leased } = this.#pool.stats();
    const counts = [total, connecting + pausing, waiting, leased];
    const counted = [this.#open.size, this.#connecting.size, this.#started.size, this.#leased.size];
    holds(
      'the counts add up',
      String(counted) === String(counts),
      () => `events say ${String(counted)}, the pool ${String(counts)}`,
    );
  }

  checkEnd(): void {
    this.check();
    holds('the pool ends', this.#closed, () => 'without a closed event');
  }

  #guard<Event>(listener: (event: Event) => void): (event: Event) => void {
    return (event) => {
      try {
        holds('the pool ends', !this.#closed, () => `an event comes after closed: ${JSON.stringify(event)}`);
        listener(event);
      } catch (error) {
        this.#broken ??= error instanceof Error ? error : new Error(String(error));
      }
    };
  }

  #settle(acquireId: number): void {
    if (!this.#started.delete(acquireId))
      throw new RuleBroken('every acquire settles once', `acquire ${acquireId} settled twice, by events`);
  }

  #onCreated(connectionId: number, serviceName: string): void {
    const target = this.#pool.stats().targets.find((each) => each.serviceName === serviceName);
    const spare = target !== undefined && target.connecting + target.pausing > target.waiting;
    this.#connecting.set(connectionId, { spare, service: serviceName });
    const spares = [...this.#connecting.values()].filter(
      (each) => each.spare && each.service === serviceName,
    ).length;
    holds('one spare connect at most', spares <= 1, () => `${serviceName} opens ${spares} spare connects`);
  }
}
