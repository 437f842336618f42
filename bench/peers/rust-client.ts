import { LineProcess, type RealEndpoints } from '../../test/interop/real-broker.js';
import type { Turn, TurnLength } from '../harness/closed-loop.js';
import type { ConnectAnswer } from '../programs/connect.js';
import { Latencies } from '../harness/statistics.js';

/** By which way to connect, as the Rust program names it. */
export type RustRoute = 'skip' | 'negotiated' | 'handoff';

/** As the Rust program prints it. */
interface RustTiming {
  readonly perSecond: number;
  /** All of them, or 2,000 at even steps through the sorted list. */
  readonly samplesNs: readonly number[];
}

/** Connects in the first turn, and after that at the least. */
const FEWEST = 100;

/** The client of the published Rust crate, in its own process: a thread for each caller. */
export class RustClient {
  readonly #process: LineProcess;
  readonly #perSecond = new Map<string, number>();

  constructor(program: string, { backend, broker, service, version }: RealEndpoints) {
    const where = ['--broker', broker, '--backend', backend, '--service', service, '--version', version];
    this.#process = new LineProcess(program, ['time', '--interactive', ...where]);
  }

  /**
   * One turn. The program counts connects, not time: how many fill the time is known from the turn before.
   */
  async turn(route: RustRoute, threads: number, { operations, milliseconds }: TurnLength): Promise<Turn> {
    const key = `${route} ${threads}`;
    const known = this.#perSecond.get(key);
    const n = Math.round(Math.max(operations, FEWEST, ((known ?? 0) * milliseconds) / 1_000));
    const timing = await this.#process.ask<RustTiming | { readonly error: string }>(
      JSON.stringify({ route, n, threads, warmup: 20 }),
    );
    if ('error' in timing) throw new Error(`the Rust client failed: ${timing.error}`);
    this.#perSecond.set(key, timing.perSecond);
    const latencies = new Latencies();
    for (const sample of timing.samplesNs) latencies.recordNs(sample);
    return { latencies, perSecond: timing.perSecond };
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

const TURN_MS = 400;

/** One turn beside bench/programs/connect.ts, whose turns are as long. */
export async function timeOf(rust: RustClient, route: RustRoute, callers: number): Promise<ConnectAnswer> {
  const { latencies, perSecond } = await rust.turn(route, callers, { operations: 0, milliseconds: TURN_MS });
  return { median: latencies.atUs(0.5), mean: 1e6 / perSecond };
}
