import { monotonicNowMs, systemClock } from '../../clock.js';
import type { Session } from '../../frames/index.js';
import type { BrokerPool } from '../../broker-pool.js';
import type { Progress } from '../progress.js';
import type { Samples } from './samples.js';

/** How long the event loop may be without a turn. */
const TURN_MS = 20;

/** An operation that is repeated, and whose time is measured. */
export interface Measure {
  readonly name: string;
  /** The most operations, also where time is left. */
  readonly count: number;
  /** How many at a time. */
  readonly concurrency: number;
  /** Does it once. Returns a function that undoes it, which is not measured. */
  readonly once: () => Promise<() => void>;
}

/** How long a measure may go on. */
export interface Bounds {
  /** Throws when the measure asks too much of the broker. */
  readonly check: () => void;
  /** The measure begins nothing more after this time. */
  readonly timeMs: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Takes the samples of a measure: at least one, at most `count`.
 *
 * @throws the error of the call that fails first
 */
export async function take(
  { name, count, concurrency, once }: Measure,
  { timeMs, signal, progress, check }: Bounds,
): Promise<{ samples: Samples; elapsedMs: number }> {
  const samples: number[] = [];
  const startedMs = monotonicNowMs();
  let begun = 0;
  let turnMs = startedMs;
  const work = async (): Promise<void> => {
    while (begun < count && (begun === 0 || monotonicNowMs() - startedMs < timeMs)) {
      signal.throwIfAborted();
      begun += 1;
      const sinceMs = monotonicNowMs();
      const undo = await once();
      samples.push(monotonicNowMs() - sinceMs);
      undo();
      check();
      if (monotonicNowMs() - turnMs > TURN_MS) {
        const share = Math.max(samples.length / count, (monotonicNowMs() - startedMs) / timeMs);
        progress.show(`${name}, ${samples.length}`, share);
        // Calls that are done at once leave the event loop no turn, and so no Ctrl-C.
        await new Promise<void>((resolve) => void systemClock.afterTurn(resolve));
        turnMs = monotonicNowMs();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, work));
  const elapsedMs = monotonicNowMs() - startedMs;
  return { samples: samples.toSorted((one, other) => one - other), elapsedMs };
}

/** Connections by a Hello each, one after the other: the pool remembers no endpoint. */
export function negotiatedConnects(pool: BrokerPool, count: number, signal: AbortSignal): Measure {
  return { ...newConnections(pool, count, signal), name: 'negotiated connect' };
}

/** Connections to the remembered endpoint, without the broker. */
export function helloSkips(pool: BrokerPool, count: number, signal: AbortSignal): Measure {
  return { ...newConnections(pool, count, signal), name: 'Hello-skip' };
}

function newConnections(pool: BrokerPool, count: number, signal: AbortSignal): Omit<Measure, 'name'> {
  return {
    count,
    concurrency: 1,
    once: async () => {
      const lease = await pool.acquire({ signal });
      return () => lease.destroy();
    },
  };
}

/** An idle connection of the pool, and its return. */
export function idleLeases(pool: BrokerPool, count: number, signal: AbortSignal): Measure {
  return {
    name: 'acquire, release',
    count,
    concurrency: 1,
    once: async () => {
      const lease = await pool.acquire({ signal });
      lease.release();
      return () => {};
    },
  };
}

/** Requests with their answers. */
export function requests(
  session: Session,
  payload: Uint8Array,
  { count, concurrency, signal }: Pick<Measure, 'count' | 'concurrency'> & { readonly signal: AbortSignal },
): Measure {
  return {
    name: 'request',
    count,
    concurrency,
    once: async () => {
      await session.request(payload, { signal });
      return () => {};
    },
  };
}
