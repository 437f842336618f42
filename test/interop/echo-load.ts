import { randomFillSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../../src/frames/index.js';
import { BrokerPoolError } from '../../src/index.js';
import { SeededRandom } from '../helpers/seeded-random.js';

/** Bytes to cut payloads from, beyond the largest one: two cuts are rarely the same. */
const SPARE_BYTES = 64 * 1024;
const PAUSE_MS = 5;

export interface EchoLoadOptions {
  readonly requests: number;
  /** Callers at a time. */
  readonly callers: number;
  readonly largestBytes: number;
  readonly seed: number;
  /** The share of requests that are aborted a turn after they were made. @default 0 */
  readonly abortShare?: number;
  /** What a backend that is away fails requests with: these are made again. @default none */
  readonly repeated?: readonly string[];
}

/** The result of a load. */
export interface EchoLoadReport {
  readonly answered: number;
  readonly aborted: number;
  /** Codes of failures after which requests were made again, with their numbers. */
  readonly repeated: Readonly<Record<string, number>>;
}

/** Requests of random bytes and random sizes through a session, each answer compared byte by byte. */
export class EchoLoad {
  readonly #session: Pick<Session, 'request'>;
  readonly #options: EchoLoadOptions;
  readonly #random: SeededRandom;
  readonly #pool: Buffer;
  readonly #repeated: Record<string, number> = {};
  #begun = 0;
  #aborted = 0;
  answered = 0;

  constructor(session: Pick<Session, 'request'>, options: EchoLoadOptions) {
    this.#session = session;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#pool = randomFillSync(Buffer.alloc(options.largestBytes + SPARE_BYTES));
  }

  /** Resolves when all requests have been answered or aborted; rejects with the first wrong answer or other failure. */
  async run(): Promise<EchoLoadReport> {
    const { callers, requests } = this.#options;
    const caller = async (): Promise<void> => {
      while (this.#begun < requests) {
        this.#begun += 1;
        await this.#one();
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return { answered: this.answered, aborted: this.#aborted, repeated: this.#repeated };
  }

  async #one(): Promise<void> {
    const payload = this.#payload();
    const isAborted = this.#random.chance(this.#options.abortShare ?? 0);
    for (;;) {
      const abort = new AbortController();
      if (isAborted) setImmediate(() => abort.abort());
      try {
        const answer = await this.#session.request(payload, isAborted ? { signal: abort.signal } : {});
        if (!payload.equals(answer))
          throw new Error(`${answer.length} bytes, not the ${payload.length} that were sent`);
        this.answered += 1;
        return;
      } catch (error) {
        const code = error instanceof BrokerPoolError ? error.code : undefined;
        if (code === 'ABORTED' && isAborted) {
          this.#aborted += 1;
          return;
        }
        if (code === undefined || this.#options.repeated?.includes(code) !== true) throw error;
        this.#repeated[code] = (this.#repeated[code] ?? 0) + 1;
        await delay(PAUSE_MS);
      }
    }
  }

  /** Each doubling of the size is as likely as the next: most payloads are small, some near the largest. */
  #payload(): Buffer {
    const { largestBytes } = this.#options;
    const bytes = Math.floor((largestBytes + 1) ** this.#random.next()) - 1;
    const start = this.#random.below(this.#pool.length - bytes);
    return this.#pool.subarray(start, start + bytes);
  }
}
