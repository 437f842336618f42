import { Piscina } from 'piscina';
import type { WaitTask } from './wait-protocol.js';

/** An idle thread costs memory only; starting one costs tens of milliseconds. */
const THREAD_IDLE_MS = 30_000;

/** The same path from the sources as from the build: src and workers lie side by side in both. */
const WORKER_URL = new URL('../../workers/negotiator.js', import.meta.url).href;

/** The thread that runs the wait loop, owned by piscina: started with the first run, retired when it has been idle for a while. */
export class WaitThreads {
  readonly #piscina: Piscina;
  /** Rejects when the thread cannot even start: piscina emits that, and leaves the task in its queue for ever. */
  readonly #broken: Promise<never>;

  /** @param workerUrl where the worker's file is, for tests */
  constructor(workerUrl = WORKER_URL) {
    this.#piscina = new Piscina({ filename: workerUrl, minThreads: 0, maxThreads: 1, idleTimeout: THREAD_IDLE_MS });
    this.#broken = new Promise<never>((_, reject) => this.#piscina.on('error', reject));
    this.#broken.catch(() => {});
  }

  /** One run of the wait loop. Rejects when its thread dies. */
  async run(task: WaitTask): Promise<void> {
    const finished: Promise<void> = this.#piscina.run(task, { transferList: [task.port] });
    await Promise.race([finished, this.#broken]);
  }

  /** Ends the thread; a run that is still going must have been told to return. */
  destroy(): Promise<void> {
    return this.#piscina.destroy();
  }
}
