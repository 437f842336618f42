import { pathToFileURL } from 'node:url';
import type { Piscina } from 'piscina';
import { packageFile, requirePackage } from '../../package-files.js';
import type { WaitTask } from './wait-protocol.js';

/** An idle thread costs memory only; starting one costs tens of milliseconds. */
const THREAD_IDLE_MS = 30_000;

/** `undefined` in a bundle. */
const WORKER_FILE = packageFile('workers/negotiator.js');
const WORKER_URL = WORKER_FILE && pathToFileURL(WORKER_FILE).href;

/** A piscina, and what tells that its thread cannot even start: piscina emits that, and leaves the task in its queue for ever. */
interface Opened {
  readonly piscina: Piscina;
  readonly broken: Promise<never>;
}

/** The thread that runs the wait loop, owned by piscina: started with the first run, retired when it has been idle for a while. */
export class WaitThreads {
  readonly #workerUrl: string | undefined;
  #opened: Promise<Opened> | undefined;

  /** @param workerUrl another file than that of the package, for tests */
  constructor(workerUrl = WORKER_URL) {
    this.#workerUrl = workerUrl;
  }

  /** One run of the wait loop. Rejects when its thread dies. */
  async run(task: WaitTask): Promise<void> {
    this.#opened ??= open(this.#workerUrl);
    const { piscina, broken } = await this.#opened;
    const finished: Promise<void> = piscina.run(task, { transferList: [task.port] });
    await Promise.race([finished, broken]);
  }

  /** Ends the thread; a run that is still going must have been told to return. */
  async destroy(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.piscina.destroy();
  }
}

/**
 * Loads piscina only now: it takes longer than everything else in a program that never needs the thread. Bundlers must not follow it,
 * because piscina in a bundle does not find its own worker file.
 */
async function open(filename: string | undefined): Promise<Opened> {
  if (filename === undefined) throw new Error('its file is missing, as in a bundle');
  const { Piscina }: typeof import('piscina') = requirePackage('piscina');
  // Its two histograms are 720 kB for each pool, and tell nothing about jobs that all belong to one task.
  const piscina = new Piscina({ filename, minThreads: 0, maxThreads: 1, idleTimeout: THREAD_IDLE_MS, recordTiming: false });
  const broken = new Promise<never>((_, reject) => piscina.on('error', reject));
  broken.catch(() => {});
  return { piscina, broken };
}
