import type { Piscina } from 'piscina';
import type { WaitTask } from './wait-protocol.js';

/** An idle thread costs memory only; starting one costs tens of milliseconds. */
const THREAD_IDLE_MS = 30_000;

/** The same path from the sources as from the build: src and workers lie side by side in both. */
const WORKER_URL = new URL('../../../workers/negotiator.js', import.meta.url).href;

/** A piscina, and what tells that its thread cannot even start: piscina emits that, and leaves the task in its queue for ever. */
interface Opened {
  readonly piscina: Piscina;
  readonly broken: Promise<never>;
}

/** What keeps the process alive unless it is unref'd. */
interface Referenced {
  unref(): void;
}

/** The thread that runs the wait loop, owned by piscina: started with the first run, retired when it has been idle for a while. */
export class WaitThreads {
  readonly #workerUrl: string;
  #opened: Promise<Opened> | undefined;
  #running: Referenced | undefined;

  /** @param workerUrl where the worker's file is, for tests */
  constructor(workerUrl = WORKER_URL) {
    this.#workerUrl = workerUrl;
  }

  /** One run of the wait loop. Rejects when its thread dies. */
  async run(task: WaitTask): Promise<void> {
    this.#opened ??= open(this.#workerUrl, (worker) => (this.#running = worker));
    const { piscina, broken } = await this.#opened;
    const finished: Promise<void> = piscina.run(task, { transferList: [task.port] });
    await Promise.race([finished, broken]);
  }

  /** Lets the process end while a run is going. */
  unref(): void {
    this.#running?.unref();
  }

  /** Ends the thread; a run that is still going must have been told to return. */
  async destroy(): Promise<void> {
    await (await this.#opened)?.piscina.destroy();
  }
}

/** Loads piscina only now: it takes longer than everything else in a program that never needs the thread. */
async function open(filename: string, onWorker: (worker: Referenced | undefined) => void): Promise<Opened> {
  const { Piscina } = await import('piscina');
  const piscina = new Piscina({ filename, minThreads: 0, maxThreads: 1, idleTimeout: THREAD_IDLE_MS });
  const broken = new Promise<never>((_, reject) => piscina.on('error', reject));
  broken.catch(() => {});
  piscina.on('workerCreate', (worker: object) => onWorker(recordOf(worker)));
  return { piscina, broken };
}

/**
 * piscina's own record of a worker. A task that runs keeps the process alive, and piscina offers no way to change that: the record has one.
 * Without a record, in another version of piscina, a finished program ends when the run does.
 */
function recordOf(worker: object): Referenced | undefined {
  return Object.getOwnPropertySymbols(worker)
    .map((symbol): unknown => Reflect.get(worker, symbol))
    .find(isReferenced);
}

function isReferenced(value: unknown): value is Referenced {
  return typeof value === 'object' && value !== null && 'unref' in value && typeof value.unref === 'function';
}
