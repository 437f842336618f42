import { isMainThread } from 'node:worker_threads';
import { afterThisCode, systemClock } from '../clock.js';
import type { Failure } from '../errors.js';
import { loadNative, type Native } from '../os/native.js';
import { openPoller } from '../os/poller.js';
import type { Driver, Job, Outcome } from './job.js';
import { EventLoopDriver } from './event-loop/event-loop-driver.js';
import { pollerFailure, WorkerDriver } from './wait-thread/worker-driver.js';

/**
 * How many short waits the asking thread watches itself. A single negotiation is over sooner without a thread in between; with
 * several under way the thread takes more load off the event loop than its wake-ups cost (docs/latency.md).
 */
const OWN_WAITS = 2;

/**
 * Divides the waiting by its length: for a broker's reply, which takes a tenth of a millisecond, the asking thread's own event loop waits
 * as long as few are under way; for all others, and for every handoff, the wait thread, which only then starts.
 */
export class DividedDriver implements Driver {
  readonly name = 'divided';
  readonly #native: Native;
  readonly #own: EventLoopDriver;
  #ownWaits = 0;
  #worker: WorkerDriver | undefined;
  #closed = false;

  constructor(native: Native) {
    this.#native = native;
    this.#own = new EventLoopDriver(systemClock, native);
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    if (this.#closed) return this.#own.start(job, settle);
    if (mayTakeLong(job) || this.#ownWaits >= OWN_WAITS) return this.#startOnThread(job, settle);
    this.#ownWaits += 1;
    return this.#own.start(job, (outcome) => {
      this.#ownWaits -= 1;
      settle(outcome);
    });
  }

  async warm(): Promise<void> {
    if (this.#closed) return;
    const worker = this.#openWorker();
    if (worker instanceof WorkerDriver) await worker.warm();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#own.close(), this.#worker?.close()]);
  }

  #startOnThread(job: Job, settle: (outcome: Outcome) => void): () => void {
    const worker = this.#openWorker();
    if (worker instanceof WorkerDriver) return worker.start(job, settle);
    afterThisCode(() => settle({ kind: 'failed', failure: { ...worker, endpoint: job.brokerEndpoint } }));
    return () => {};
  }

  /** A failure where the system has no descriptors for it; the next job tries again. */
  #openWorker(): WorkerDriver | Failure {
    if (this.#worker !== undefined) return this.#worker;
    const handles = openPoller(this.#native);
    if ('result' in handles) return pollerFailure(handles);
    this.#worker = new WorkerDriver(this.#native, { handles });
    return this.#worker;
  }
}

/** A handoff takes the broker 5 ms in the best case and the whole ready timeout in the worst (H-14, C-42). */
function mayTakeLong(job: Job): boolean {
  return job.kind === 'handshake' && job.adoptHandedOffConnection;
}

/**
 * The driver for many connections on this platform and in this thread.
 *
 * A worker thread waits on its own event loop. It can be terminated at any moment, without a line of code run: all that it has open must
 * be Node's to close, and a wait thread of its own, blocked in a system call, would hold up its end until that call returns.
 */
export function openDriver(): Driver {
  const native = loadNative();
  return native === undefined || !isMainThread ? new EventLoopDriver(systemClock, native) : new DividedDriver(native);
}
