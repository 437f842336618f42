/**
 * Acquires on a schedule that does not wait for the pool. Sends after each minute how long they took, and what the
 * process holds.
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPool, BrokerPoolError, type Lease } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { collectGarbage, objectBytes } from '../../test/helpers/heap.js';
import { hasProc } from '../harness/proc.js';
import type { LatencySummary } from '../harness/result.js';
import { Latencies } from '../harness/statistics.js';

/** The program's task. */
export interface SteadyTask {
  readonly target: TestTarget;
  readonly perSecond: number;
  readonly minutes: number;
  /** Shorter in tests. */
  readonly minuteMs: number;
}

/** The figures of one minute. */
export interface Minute {
  readonly acquires: number;
  /** From the scheduled instant: a stall of the event loop counts for each acquire it held up. */
  readonly fromSchedule: LatencySummary;
  /** From the call of `acquire`. */
  readonly fromCall: LatencySummary;
  /** Failed acquires and uses, by code. */
  readonly failures: Readonly<Record<string, number>>;
  readonly held: Held;
}

/** Resources of the process between two minutes, with no lease out and its garbage collected. */
export interface Held {
  /** Bytes. */
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** Bytes of objects without what the engine keeps for itself: after the first, each tenth and the last minute. */
  readonly objects?: number;
  /** 0 where the system does not tell. */
  readonly descriptors: number;
  readonly threads: number;
  /** Handles and timers that keep the process alive, the channel to the parent included. */
  readonly activeResources: number;
}

/** A tenth of the callers talk to the backend before they release. */
const ECHO_EVERY = 10;
/** After each thousandth acquire the caller destroys the connection, and the pool opens another. */
const DESTROY_EVERY = 1_000;
/** Counting objects takes a second, and garbage. */
const OBJECTS_EVERY = 10;
/** Finalizers free what the next collection finds. */
const COLLECTIONS = 4;

const now = performance.now.bind(performance);

/** The callers of one minute. */
class Callers {
  readonly fromSchedule = new Latencies();
  readonly fromCall = new Latencies();
  readonly failures: Record<string, number> = {};
  readonly #pool: BrokerPool;
  #settled = 0;

  constructor(pool: BrokerPool) {
    this.#pool = pool;
  }

  /** Begins `count` acquires, each at its instant, and resolves when the last one has been released. */
  async run(count: number, intervalMs: number): Promise<void> {
    const startMs = now();
    let begun = 0;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        this.#settled += 1;
        if (this.#settled === count) resolve();
      };
      const beginDue = (): void => {
        for (; begun < count && startMs + begun * intervalMs <= now(); begun++)
          void this.#use(begun, startMs + begun * intervalMs).then(settle);
        if (begun < count) setTimeout(beginDue, startMs + begun * intervalMs - now());
      };
      beginDue();
    });
  }

  async #use(number: number, dueMs: number): Promise<void> {
    try {
      const calledMs = now();
      const lease = await this.#pool.acquire();
      const leasedMs = now();
      this.fromSchedule.recordNs(Math.round((leasedMs - dueMs) * 1e6));
      this.fromCall.recordNs(Math.round((leasedMs - calledMs) * 1e6));
      await useLease(lease, number);
    } catch (error) {
      const code = error instanceof BrokerPoolError ? error.code : String(error);
      this.failures[code] = (this.failures[code] ?? 0) + 1;
    }
  }
}

async function useLease(lease: Lease, number: number): Promise<void> {
  if (number % DESTROY_EVERY === 0) return lease.destroy();
  if (number % ECHO_EVERY === 0) {
    lease.socket.write('echo');
    try {
      await once(lease.socket, 'data');
    } catch (error) {
      lease.destroy();
      throw error;
    }
  }
  lease.release();
}

async function held(countObjects: boolean): Promise<Held> {
  for (let time = 0; time < COLLECTIONS; time++) {
    collectGarbage();
    await turn();
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return {
    heapUsed,
    external,
    arrayBuffers,
    rss,
    ...(countObjects && { objects: await objectBytes() }),
    descriptors: hasProc ? readdirSync('/proc/self/fd').length : 0,
    threads: hasProc ? readdirSync('/proc/self/task').length : 0,
    activeResources: process.getActiveResourcesInfo().length,
  };
}

function send(message: Minute): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

const { target, perSecond, minutes, minuteMs }: SteadyTask = JSON.parse(process.argv[2] ?? '');
// The program that reads the figures is gone.
process.once('disconnect', () => process.exit(1));
const pool = new BrokerPool(target);
const acquires = Math.max(1, Math.round((perSecond * minuteMs) / 1_000));
for (let minute = 0; minute < minutes; minute++) {
  const callers = new Callers(pool);
  await callers.run(acquires, 1_000 / perSecond);
  await send({
    acquires,
    fromSchedule: callers.fromSchedule.summary(),
    fromCall: callers.fromCall.summary(),
    failures: callers.failures,
    held: await held(minute === 0 || minute === minutes - 1 || (minute + 1) % OBJECTS_EVERY === 0),
  });
}
await pool.close();
process.removeAllListeners('disconnect');
process.disconnect();
