import { systemClock, type Deadline } from '../../clock.js';
import { DeadlineQueue } from '../../deadline-queue.js';
import type { Job } from '../job.js';
import type { SubmittedJob } from './submitted-jobs.js';

/**
 * How much later than a deadline the wait thread may say so. It says so within a millisecond; a thread that
 * takes this long hangs, or was stopped by a debugger.
 */
export const GRACE_MS = 500;

/**
 * Sees on the main thread that the wait thread keeps the deadlines of its jobs: a thread that hangs keeps
 * none. One timer for all jobs.
 */
export class DeadlineGuard {
  readonly #jobs = new DeadlineQueue<SubmittedJob>();
  readonly #onLate: (pending: SubmittedJob) => void;
  #timer: Deadline | undefined;
  #timerMs = Infinity;

  /** @param onLate gets each job that is pending still {@link GRACE_MS} after its deadline */
  constructor(onLate: (pending: SubmittedJob) => void) {
    this.#onLate = onLate;
  }

  watch(pending: SubmittedJob, deadlineMs: number): void {
    pending.dueMs = deadlineMs + GRACE_MS;
    this.#jobs.put(pending);
    if (pending.dueMs < this.#timerMs) this.#setTimer();
  }

  ignore(pending: SubmittedJob): void {
    this.#jobs.remove(pending);
    // Otherwise it stays as it is: to set it anew for each job costs more than one needless look.
    if (this.#jobs.nextMs === Infinity) this.#setTimer();
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = this.#jobs.nextMs;
    if (this.#timerMs !== Infinity)
      this.#timer = systemClock.deadline(this.#timerMs - systemClock.now(), () => this.#onTime());
  }

  #onTime(): void {
    const nowMs = systemClock.now();
    for (;;) {
      const late = this.#jobs.takeDue(nowMs);
      if (late === undefined) break;
      this.#onLate(late);
    }
    this.#setTimer();
  }
}

/**
 * When a job must have ended whose reply has come: the handoff wait and the dial of the backend have time of
 * their own.
 */
export function lastDeadlineMs(job: Job): number {
  const handoffMs = job.kind === 'handshake' && job.adoptHandedOffConnection ? job.handoffReadyTimeoutMs : 0;
  return job.deadlineMs + handoffMs + job.roundTripTimeoutMs;
}
