import { monotonicNowMs, systemClock, type Deadline } from '../../../clock.js';
import { DeadlineQueue, type Timed } from '../../../deadline-queue.js';
import type { BrokerPoolError } from '../../../errors.js';
import { explainedError } from '../../../explained-error.js';
import { rejectionOf } from '../../caller-stack.js';
import type { Lease } from '../../lease.js';
import type { TargetOptions } from '../../options.js';

/**
 * How long the pool's thread may answer late: it knows why an acquire timed out, this thread only that it
 * did.
 */
const ANSWER_GRACE_MS = 100;

/** An acquire that the pool's thread has been asked for. */
export class PendingAcquire implements Timed {
  readonly id: number;
  readonly timeoutMs: number;
  readonly askedAtMs: number;
  readonly target: TargetOptions;
  readonly resolve: (lease: Lease | Promise<never>) => void;
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;
  dueMs: number;
  queueIndex = -1;

  constructor(
    id: number,
    timeoutMs: number,
    target: TargetOptions,
    resolve: (lease: Lease | Promise<never>) => void,
  ) {
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.target = target;
    this.resolve = resolve;
    this.askedAtMs = monotonicNowMs();
    this.dueMs = this.askedAtMs + timeoutMs + ANSWER_GRACE_MS;
  }

  /** @param error of the pool's thread, which knows what was tried */
  reject(error: BrokerPoolError): void {
    this.resolve(rejectionOf(error));
  }

  /** @param failure found in this thread, which knows no more than what it asked for */
  fail(failure: BrokerPoolError, advice?: string): void {
    const { serviceName, wantedVersion } = this.target;
    this.reject(
      explainedError(failure, {
        serviceName,
        wantedVersion,
        elapsedMs: monotonicNowMs() - this.askedAtMs,
        advice,
      }),
    );
  }
}

/**
 * The acquires of one thread that wait for an answer, by number, each with its deadline in case the pool's
 * thread gives none.
 */
export class PendingAcquires {
  readonly #byId = new Map<number, PendingAcquire>();
  readonly #due = new DeadlineQueue<PendingAcquire>();
  readonly #onDue: (acquire: PendingAcquire) => void;
  #timerDueMs = Infinity;
  #timer: Deadline | undefined;

  /** @param onDue is told of an acquire whose time is up, and which is no longer one of these */
  constructor(onDue: (acquire: PendingAcquire) => void) {
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#byId.size;
  }

  add(acquire: PendingAcquire): void {
    this.#byId.set(acquire.id, acquire);
    this.#due.put(acquire);
    if (this.#due.nextMs < this.#timerDueMs) this.#arm();
  }

  get(id: number): PendingAcquire | undefined {
    return this.#byId.get(id);
  }

  /** Takes an acquire that is answered, or given up. */
  take(id: number): PendingAcquire | undefined {
    const acquire = this.#byId.get(id);
    if (acquire === undefined) return undefined;
    this.#byId.delete(id);
    this.#due.remove(acquire);
    acquire.stopListening?.();
    return acquire;
  }

  takeAll(): PendingAcquire[] {
    this.#timer?.cancel();
    this.#timerDueMs = Infinity;
    return Array.from(this.#byId.keys()).flatMap((id) => this.take(id) ?? []);
  }

  /**
   * A timer that was set for an acquire answered since then finds nothing due, and is set anew: hardly ever
   * is one needed.
   */
  #arm(): void {
    this.#timer?.cancel();
    this.#timerDueMs = this.#due.nextMs;
    if (this.#timerDueMs === Infinity) return;
    this.#timer = systemClock.deadline(this.#timerDueMs - monotonicNowMs(), (dueByMs) =>
      this.#onTimer(dueByMs),
    );
  }

  #onTimer(dueByMs: number): void {
    this.#timerDueMs = Infinity;
    for (
      let acquire = this.#due.takeDue(dueByMs);
      acquire !== undefined;
      acquire = this.#due.takeDue(dueByMs)
    ) {
      this.take(acquire.id);
      this.#onDue(acquire);
    }
    this.#arm();
  }
}
