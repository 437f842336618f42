import { readdirSync } from 'node:fs';
import { clearInterval, nowMs as clockMs, setInterval } from './real-time.js';

/**
 * How late an acquire may settle, stalls of the event loop taken off. The pool looks for expired waiters
 * every 25 ms at most, and after a stall of any length waits 20 ms more for what arrived in time; the rest is
 * for the programs beside the soak, which share its processors.
 */
export const GRACE_MS = 100;
const TICK_MS = 5;
const MOST_TEXTS = 20;
/**
 * A soak has about 220 open at most, its 128 unanswered requests included. Without the bound of those requests
 * it has 460 after half a minute.
 */
const MOST_DESCRIPTORS = 400;
const MOST_THREADS = 64;

/** A warning of the process. Those of the pool have a code. */
export interface Warning extends Error {
  readonly code?: string;
}

interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
}

interface Settled {
  readonly what: string;
  readonly startedMs: number;
  readonly timeoutMs: number;
  readonly settledMs: number;
}

/** Collects what must not happen, and what the event loop could not do because something kept it busy. */
export class Invariants {
  readonly violations: string[] = [];
  violationCount = 0;
  /** The latest that an acquire settled after its deadline, stalls of the event loop taken off. */
  worstLatenessMs = -Infinity;
  /** The same with the stalls. */
  worstLatenessWithStallsMs = -Infinity;
  /** The longest that the event loop stood still. */
  worstStallMs = 0;
  mostDescriptors = 0;
  mostThreads = 0;
  #stalls: Stall[] = [];
  #toJudge: Settled[] = [];
  #lastTickMs = clockMs();
  readonly #timer: NodeJS.Timeout;
  readonly #onWarning = (warning: Warning): void =>
    this.check(this.#mayWarn(warning), () => `warning: ${warning.message}`);
  readonly #onRejection = (reason: unknown): void => this.violate(`unhandled rejection: ${String(reason)}`);
  readonly #onUncaught = (error: Error): void => this.violate(`uncaught: ${error.stack ?? error.message}`);

  readonly #mayWarn: (warning: Warning) => boolean;

  /** @param mayWarn whether a warning breaks no promise. @default none */
  constructor(mayWarn: (warning: Warning) => boolean = () => false) {
    this.#mayWarn = mayWarn;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    process
      .on('warning', this.#onWarning)
      .on('unhandledRejection', this.#onRejection)
      .on('uncaughtException', this.#onUncaught);
  }

  violate(text: string): void {
    this.violationCount += 1;
    if (this.violations.length < MOST_TEXTS) this.violations.push(text);
  }

  check(holds: boolean, text: () => string): void {
    if (!holds) this.violate(text());
  }

  /** An acquire has settled. It is judged a little later, when the stalls of the time are known. */
  settled(what: string, startedMs: number, timeoutMs: number): void {
    this.#toJudge.push({ what, startedMs, timeoutMs, settledMs: clockMs() });
  }

  stop(): void {
    this.#tick();
    clearInterval(this.#timer);
    process
      .off('warning', this.#onWarning)
      .off('unhandledRejection', this.#onRejection)
      .off('uncaughtException', this.#onUncaught);
  }

  #tick(): void {
    const nowMs = clockMs();
    this.worstStallMs = Math.max(this.worstStallMs, nowMs - this.#lastTickMs);
    if (nowMs - this.#lastTickMs > 2 * TICK_MS) this.#stalls.push({ fromMs: this.#lastTickMs, toMs: nowMs });
    this.#lastTickMs = nowMs;
    const due = this.#toJudge;
    this.#toJudge = [];
    for (const settled of due) this.#judge(settled);
    this.#stalls = this.#stalls.filter(({ toMs }) => toMs > nowMs - 10_000);
    this.#countResources();
  }

  #judge({ what, startedMs, timeoutMs, settledMs }: Settled): void {
    const latenessMs = settledMs - startedMs - timeoutMs;
    this.worstLatenessWithStallsMs = Math.max(this.worstLatenessWithStallsMs, latenessMs);
    // The time of an acquire counts from the end of the turn in which it was called, or of the next one.
    const countsFromMs = this.#endOfTurn(this.#endOfTurn(startedMs));
    const deadlineMs = countsFromMs + timeoutMs;
    const stalledMs = this.#stalls.reduce(
      (sum, { fromMs, toMs }) => sum + Math.max(0, Math.min(toMs, settledMs) - Math.max(fromMs, deadlineMs)),
      0,
    );
    const ownMs = settledMs - deadlineMs - stalledMs;
    this.worstLatenessMs = Math.max(this.worstLatenessMs, ownMs);
    this.check(
      ownMs <= GRACE_MS,
      () =>
        `${what} settled ${ownMs.toFixed(1)} ms after its deadline, ${latenessMs.toFixed(1)} ms with stalls`,
    );
  }

  /** The end of the long turn at this time, or the time itself where no turn was long. */
  #endOfTurn(atMs: number): number {
    return this.#stalls.find(({ fromMs, toMs }) => fromMs - 2 * TICK_MS <= atMs && atMs < toMs)?.toMs ?? atMs;
  }

  #countResources(): void {
    if (process.platform !== 'linux') return;
    const descriptors = readdirSync('/proc/self/fd').length;
    const threads = readdirSync('/proc/self/task').length;
    if (descriptors > this.mostDescriptors) this.mostDescriptors = descriptors;
    if (threads > this.mostThreads) this.mostThreads = threads;
    this.check(descriptors <= MOST_DESCRIPTORS, () => `${descriptors} descriptors are open`);
    this.check(threads <= MOST_THREADS, () => `${threads} threads run`);
  }
}
