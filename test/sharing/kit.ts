import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ExecutionContext } from 'ava';
import { type BrokerPool, type BrokerPoolOptions, type PoolEventName } from '../../src/index.js';
import { loadDescriptorCalls } from '../../src/os/descriptors.js';
import { errorFromData, type ErrorData } from '../../src/error-data.js';
import { until } from '../helpers/leftovers.js';
import { failureOf, openPool as openPoolTo } from '../helpers/pools.js';
import type { TestSystem } from '../helpers/system.js';
import type { Commands } from './sharer.js';

/** Whether connections can cross threads here. */
export const canShare = loadDescriptorCalls() !== undefined;

export function openPool(
  t: ExecutionContext,
  { target }: TestSystem,
  options: BrokerPoolOptions = {},
): BrokerPool {
  return openPoolTo(t, target, options);
}

export { failureOf };

interface Answer {
  readonly call: number;
  readonly value?: unknown;
  readonly error?: ErrorData;
  readonly text?: string;
}

/** A thread with a shared pool. */
export class Sharer {
  readonly worker: Worker;
  /** The channel of `block`. */
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly exited: Promise<unknown>;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #lastCall = 0;

  constructor(pool: BrokerPool) {
    const port = pool.share();
    const url = new URL('./sharer.js', import.meta.url);
    this.worker = new Worker(url, {
      workerData: { port, counter: this.#words.buffer },
      transferList: [port],
    });
    this.worker.on('message', (answer: Answer | 'ready') => {
      if (answer !== 'ready') this.#onAnswer(answer);
    });
    // The tests look at how it ends themselves.
    this.worker.on('error', () => {});
    this.exited = new Promise((resolve) => this.worker.once('exit', resolve));
  }

  /** Has the thread run a command. Rejects as the command did over there. */
  async call<Name extends keyof Commands>(
    command: Name,
    ...values: Parameters<Commands[Name]>
  ): Promise<Awaited<ReturnType<Commands[Name]>>> {
    const call = ++this.#lastCall;
    const answered = new Promise<unknown>((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.worker.postMessage({ call, command, values });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the command returned over there
    return (await answered) as Awaited<ReturnType<Commands[Name]>>;
  }

  /** Has the thread run a command that it never answers. */
  tell<Name extends keyof Commands>(command: Name, ...values: Parameters<Commands[Name]>): void {
    this.worker.postMessage({ call: 0, command, values });
  }

  /** Whether the thread is blocked. */
  get blocked(): boolean {
    return Atomics.load(this.#words, 0) === 1;
  }

  /** Blocks the thread until it is woken, or ended. */
  async block(): Promise<void> {
    this.tell('block', 30_000);
    if (!(await until(() => this.blocked))) throw new Error('the thread does not block');
  }

  /** Holds up the test's own thread until a request of the other thread has ended. */
  holdUntilRequestEnds(): void {
    if (Atomics.wait(this.#words, 0, 0, 30_000) === 'timed-out') throw new Error('the request does not end');
  }

  wake(): void {
    Atomics.store(this.#words, 1, 1);
    Atomics.notify(this.#words, 1);
  }

  #onAnswer({ call, value, error, text }: Answer): void {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (text === undefined) waiting?.resolve(value);
    else waiting?.reject(error === undefined ? new Error(text) : errorFromData(error));
  }
}

/** Starts a thread that shares the pool; it is ended with the test. */
export async function startSharer(t: ExecutionContext, pool: BrokerPool): Promise<Sharer> {
  const sharer = new Sharer(pool);
  t.teardown(() => sharer.worker.terminate());
  await once(sharer.worker, 'message');
  return sharer;
}

/** Settles when the pool publishes such an event. */
export async function poolEvent(pool: BrokerPool, name: PoolEventName): Promise<void> {
  await once(pool, name);
}
