import { isMainThread } from 'node:worker_threads';
import { outOfContext } from '../async-context.js';
import { systemClock } from '../clock.js';
import { debug } from '../debug-log.js';
import { printable, textOf } from '../errors.js';
import { loadNativeOrWarn, type Native } from '../os/native.js';
import { PooledSocket } from '../os/pooled-socket.js';
import { warnProcess } from '../process-warning.js';
import type { Driver, DriverName, Job, Outcome } from './job.js';
import { EventLoopDriver } from './event-loop/event-loop-driver.js';
import { WorkerDriver } from './wait-thread/worker-driver.js';

/**
 * The pause between a failed thread and the next one: a missing limit, permission or file often stays
 * missing.
 */
const THREAD_RETRY_MS = 10_000;

/**
 * Runs short negotiations on the event loop, however many, and handoffs on the wait thread. A job costs less
 * processor time on the loop than the thread and its messages do (docs/latency.md).
 *
 * The thread is an optimisation. It starts with the first handoff. Until it has started, and where it cannot
 * start, the event loop does the same work.
 */
export class HybridDriver implements Driver {
  readonly #native: Native;
  readonly #workerUrl: string | undefined;
  readonly #threadRetryMs: number;
  readonly #warn: (reason: string) => void;
  readonly #own: EventLoopDriver;
  #worker: WorkerDriver | undefined;
  /** The present worker, and failed ones that are about to end. */
  readonly #open = new Set<WorkerDriver>();
  #retryAtMs = -Infinity;
  /** Whether the last thread has started; true before the first. */
  #hasThread = true;
  #closed = false;

  /** All but `native` are for tests. */
  constructor(
    native: Native,
    warn: (reason: string) => void = warnOfMissingThread,
    workerUrl?: string,
    threadRetryMs = THREAD_RETRY_MS,
  ) {
    this.#native = native;
    this.#warn = warn;
    this.#workerUrl = workerUrl;
    this.#threadRetryMs = threadRetryMs;
    this.#own = new EventLoopDriver(systemClock, native, true, (descriptor) => PooledSocket.over(descriptor));
  }

  get name(): DriverName {
    return this.#hasThread || this.#worker?.ready === true ? 'worker' : this.#own.name;
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    if (this.#closed) return this.#own.start(job, settle);
    // A handoff takes the broker 5 ms in the best case and the whole ready timeout in the worst (H-14, C-42).
    const mayTakeLong = job.kind === 'handshake' && job.adoptHandedOffConnection;
    const driver = mayTakeLong ? (this.#readyWorker() ?? this.#own) : this.#own;
    return driver.start(job, settle);
  }

  async warm(limitMs?: number): Promise<void> {
    if (!this.#closed) await this.#openWorker()?.warm(limitMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#own.close(), ...Array.from(this.#open, (worker) => worker.close())]);
  }

  /** The worker driver, unless its thread has yet to start; that begins here. */
  #readyWorker(): WorkerDriver | undefined {
    const worker = this.#openWorker();
    if (worker?.ready === true) {
      this.#hasThread = true;
      return worker;
    }
    void worker?.warm();
    return undefined;
  }

  #openWorker(): WorkerDriver | undefined {
    if (this.#worker !== undefined || systemClock.now() < this.#retryAtMs) return this.#worker;
    try {
      const worker: WorkerDriver = new WorkerDriver(this.#native, {
        fallback: this.#own,
        workerUrl: this.#workerUrl,
        onFailed: (reason) => {
          this.#onFailed(reason);
          void worker.free().then(() => this.#open.delete(worker));
        },
      });
      this.#worker = worker;
      this.#open.add(worker);
    } catch (error) {
      // No descriptors, or no shared memory.
      this.#onFailed(textOf(error));
    }
    return this.#worker;
  }

  #onFailed(reason: string): void {
    this.#worker = undefined;
    this.#hasThread = false;
    this.#retryAtMs = systemClock.now() + this.#threadRetryMs;
    debug(() => `the wait thread has failed, the event loop waits instead: ${printable(reason)}`);
    this.#warn(reason);
  }
}

let hasWarned = false;

/**
 * Warns once in a process that there is no wait thread. Every feature works without it: the event loop waits
 * for handoffs too.
 */
function warnOfMissingThread(reason: string): void {
  if (hasWarned) return;
  hasWarned = true;
  outOfContext(() =>
    warnProcess(
      'BROKER_POOL_NO_THREAD',
      `the wait thread cannot be used, the event loop waits instead: ${printable(reason)}`,
    ),
  );
}

/**
 * The driver for many connections on this platform and in this thread. Its jobs do not keep the process
 * alive: the timer of the callers who wait does.
 *
 * A worker thread waits on its own event loop. It can be terminated at any moment, without a line of code
 * run: all that it has open must be Node's to close, and a wait thread of its own, blocked in a system call,
 * would hold up its end until that call returns.
 */
export function openDriver(): Driver {
  const native = loadNativeOrWarn();
  return native === undefined || !isMainThread
    ? new EventLoopDriver(systemClock, native, true)
    : new HybridDriver(native);
}
