import { monotonicNowMs, systemClock } from '../../../clock.js';
import { DeadlineTimer, type Timed } from '../../../deadline-queue.js';
import type { BrokerPoolError } from '../../../errors.js';
import { explainedError, type Tried } from '../../../explained-error.js';
import { rejectionOf } from '../../../caller-stack.js';
import type { Lease } from '../../lease.js';
import type { TargetOptions } from '../../options.js';

/**
 * How long the pool's thread may answer late: it knows why an acquire timed out, this thread only that it
 * did.
 */
const ANSWER_GRACE_MS = 100;

/** An acquire that waits for the answer of the pool's thread. */
export class PendingAcquire implements Timed {
  readonly id: number;
  readonly timeoutMs: number;
  readonly askedAtMs: number;
  readonly target: TargetOptions;
  /** For what, with the names that the pool gives. */
  readonly tried: Tried;
  readonly resolve: (lease: Lease | Promise<never>) => void;
  /** Removes the abort listener. */
  stopListening: (() => void) | undefined = undefined;
  dueMs: number;
  queueIndex = -1;

  constructor(
    id: number,
    timeoutMs: number,
    target: TargetOptions,
    tried: Tried,
    resolve: (lease: Lease | Promise<never>) => void,
  ) {
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.target = target;
    this.tried = tried;
    this.resolve = resolve;
    this.askedAtMs = monotonicNowMs();
    this.dueMs = this.askedAtMs + timeoutMs + ANSWER_GRACE_MS;
  }

  /** @param error from the pool's thread, which knows what was tried */
  reject(error: BrokerPoolError): void {
    this.resolve(rejectionOf(error));
  }

  /** @param failure found in this thread, which knows only what it asked for */
  fail(failure: BrokerPoolError, advice?: string): void {
    const elapsedMs = monotonicNowMs() - this.askedAtMs;
    this.reject(explainedError(failure, { ...this.tried, elapsedMs, advice }));
  }
}

/** The pending acquires of one thread, with a deadline in case the pool's thread does not answer. */
export class PendingAcquires {
  readonly #byId = new Map<number, PendingAcquire>();
  readonly #deadlines: DeadlineTimer<PendingAcquire>;

  /** @param onDue gets an acquire whose time is up, and which is no longer pending */
  constructor(onDue: (acquire: PendingAcquire) => void) {
    this.#deadlines = new DeadlineTimer(systemClock, ({ id }) => {
      const acquire = this.take(id);
      if (acquire !== undefined) onDue(acquire);
    });
  }

  get size(): number {
    return this.#byId.size;
  }

  add(acquire: PendingAcquire): void {
    this.#byId.set(acquire.id, acquire);
    this.#deadlines.put(acquire);
  }

  get(id: number): PendingAcquire | undefined {
    return this.#byId.get(id);
  }

  /** Removes an acquire that is answered or given up. */
  take(id: number): PendingAcquire | undefined {
    const acquire = this.#byId.get(id);
    if (acquire === undefined) return undefined;
    this.#byId.delete(id);
    this.#deadlines.remove(acquire);
    acquire.stopListening?.();
    return acquire;
  }

  takeAll(): PendingAcquire[] {
    this.#deadlines.stop();
    return Array.from(this.#byId.keys()).flatMap((id) => this.take(id) ?? []);
  }
}
