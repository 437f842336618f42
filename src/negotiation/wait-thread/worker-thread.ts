import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { hasFreeDescriptors } from '../../os/native.js';
import { packageFile, requirePackage } from '../../package-files.js';
import type { ThreadTask } from './thread-protocol.js';

/** An idle thread costs memory only; starting one costs tens of milliseconds. */
const THREAD_IDLE_MS = 30_000;
/** A thread has five, and needs one or two more while it loads its files. */
const THREAD_DESCRIPTORS = 8;

/** `undefined` in a bundle. */
const WORKER_FILE = packageFile('workers/negotiator.js');
const WORKER_URL = WORKER_FILE && pathToFileURL(WORKER_FILE).href;

/** An object that keeps the process alive unless it is unref'd. */
interface Referenced {
  unref(): void;
}

/**
 * The thread that runs the poll loop, owned by piscina: it starts with the first session and ends when it has
 * been idle for a while.
 *
 * Piscina does not report a thread that ends before it is ready, forgets a task whose thread cannot be
 * created, and reports other tasks before their thread has ended. So this class watches the thread too.
 */
export class WorkerThread {
  readonly #shared: SharedArrayBuffer;
  readonly #workerUrl: string | undefined;
  #piscina: Piscina | undefined;
  #running: Referenced | undefined;
  #ending: Promise<void> | undefined;

  /**
   * @param shared the memory of the thread's loading state
   * @param workerUrl another file than that of the package, for tests
   */
  constructor(shared: SharedArrayBuffer, workerUrl = WORKER_URL) {
    this.#shared = shared;
    this.#workerUrl = workerUrl;
  }

  /**
   * The thread, which may still be starting; `undefined` before the first session and after an idle while.
   */
  get worker(): Worker | undefined {
    return this.#piscina?.threads[0];
  }

  /**
   * One session of the poll loop. Rejects when that is impossible or fails, once the thread has ended: from
   * then on it uses no memory and no descriptor.
   */
  async run(task: ThreadTask): Promise<void> {
    const finished = this.#begin(task);
    const end = new ThreadEnd(this.worker, () => void this.end());
    try {
      await finished;
    } catch (error) {
      await this.end();
      await end.exited;
      throw end.reason ?? error;
    } finally {
      end.ignore();
    }
  }

  /** Lets the process end during a session that has begun. */
  unref(): void {
    this.#running?.unref();
  }

  /**
   * Ends the thread, and resolves when it has ended: a thread in a system call ends after that call. No
   * session can follow. Never rejects.
   */
  end(): Promise<void> {
    return (this.#ending ??= this.#piscina?.destroy() ?? Promise.resolve());
  }

  #begin(task: ThreadTask): Promise<void> {
    if (this.#ending !== undefined) throw new Error('it was ended');
    if (this.worker === undefined && !hasFreeDescriptors(THREAD_DESCRIPTORS))
      throw new Error('too few descriptors are free');
    const piscina = (this.#piscina ??= open(
      this.#shared,
      this.#workerUrl,
      (worker) => (this.#running = worker),
    ));
    try {
      return piscina.run(task, { transferList: [task.port] });
    } catch (error) {
      // There is no thread. The task stays in piscina's queue, and to destroy that would reject a promise
      // that nothing holds.
      this.#piscina = undefined;
      throw error;
    }
  }
}

/** Watches for the end of a thread, and its reason, during one session. */
class ThreadEnd {
  readonly exited: Promise<void>;
  reason: unknown;
  readonly #thread: Worker | undefined;
  readonly #onError = (error: unknown): void => {
    this.reason ??= error;
  };
  readonly #onExit: (code: number) => void;

  constructor(thread: Worker | undefined, onExit: () => void) {
    this.#thread = thread;
    let resolveExited = (): void => {};
    this.exited =
      thread === undefined ? Promise.resolve() : new Promise<void>((resolve) => (resolveExited = resolve));
    this.#onExit = (code) => {
      this.reason ??= new Error(`it ended with code ${code}`);
      resolveExited();
      // This rejects a task that piscina has not given to the thread yet.
      onExit();
    };
    thread?.on('error', this.#onError).on('exit', this.#onExit);
  }

  ignore(): void {
    this.#thread?.off('error', this.#onError).off('exit', this.#onExit);
  }
}

/**
 * Loads piscina only now: it takes longer than the rest of this package, and many programs never need the
 * thread. Bundlers must not follow it, because piscina in a bundle does not find its own worker file.
 */
function open(
  workerData: SharedArrayBuffer,
  filename: string | undefined,
  onWorker: (worker: Referenced | undefined) => void,
): Piscina {
  if (filename === undefined) throw new Error('its file is missing, as in a bundle');
  const { Piscina }: typeof import('piscina') = requirePackage('piscina');
  // Without its two histograms of 720 kB for each pool: all jobs belong to one task.
  const piscina = new Piscina({
    filename,
    workerData,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: THREAD_IDLE_MS,
    recordTiming: false,
  });
  // Each session watches for the errors of its thread itself.
  piscina.on('error', () => {});
  piscina.on('workerCreate', (worker: object) => onWorker(recordOf(worker)));
  return piscina;
}

/**
 * piscina's own record of a worker. A running task keeps the process alive, and only the record can change
 * that. Without a record, in another version of piscina, a finished program ends when the session does.
 */
function recordOf(worker: object): Referenced | undefined {
  return Object.getOwnPropertySymbols(worker)
    .map((symbol): unknown => Reflect.get(worker, symbol))
    .find(isReferenced);
}

function isReferenced(value: unknown): value is Referenced {
  return typeof value === 'object' && value !== null && 'unref' in value && typeof value.unref === 'function';
}
