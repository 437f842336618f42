import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { BrokerPoolError } from '../../src/errors.js';
import { openSession, type Session } from '../../src/frames/index.js';
import { BrokerPool } from '../../src/broker-pool.js';
import { VERSION } from '../helpers/talk.js';
import type { Invariants } from './invariants.js';
import { FRAME_PROTOCOL } from './peer-task.js';
import type { Peers } from './peers.js';
import type { Random } from './random.js';
import { nowMs } from './real-time.js';

const CALLERS = 12;
const MOST_BYTES = 400 * 1024;
/** A session that still waits for an answer then has lost it. */
const CLOSE_MS = 5_000;

/**
 * Sessions over a pool, with one lease a request and many at a time, and by identity file, under load from
 * callers that check each byte of each answer.
 */
export class SessionLoad {
  /** Outcomes of requests: `answered`, or the code of the error. */
  readonly outcomes = new Map<string, number>();
  readonly #pool: BrokerPool;
  readonly #sessions: readonly Session[];
  readonly #random: Random;
  readonly #invariants: Invariants;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #requests = 0;

  constructor({ broker, frames }: Peers, random: Random, invariants: Invariants) {
    this.#random = random;
    this.#invariants = invariants;
    this.#pool = new BrokerPool({
      brokerEndpoint: broker.endpoint,
      serviceName: frames.serviceName,
      wantedVersion: VERSION,
      max: 6,
      roundTripTimeoutMs: 400,
    });
    const options = { payloadProtocol: FRAME_PROTOCOL, connections: 2 };
    this.#sessions = [
      openSession(this.#pool, { ...options, maxInFlight: 16 }),
      openSession(this.#pool, { ...options, pipelining: 1 }),
      openSession({ identityFile: frames.identityFile }, options),
    ];
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: CALLERS }, () => this.#call()));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Nothing is under way any more, and nothing is left behind. */
  async close(): Promise<void> {
    for (const session of this.#sessions) {
      const { inFlight, waiting } = session.stats();
      this.#invariants.check(
        inFlight === 0 && waiting === 0,
        () => `a session has ${inFlight} requests in flight and ${waiting} waiting after the load`,
      );
      await session.close({ timeoutMs: CLOSE_MS });
    }
    await this.#pool.close({ timeoutMs: CLOSE_MS });
  }

  async #call(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#request();
      if (this.#random.chance(0.3)) await delay(this.#random.between(1, 20));
      else await turn();
    }
  }

  async #request(): Promise<void> {
    const payload = this.#payload();
    const timeoutMs = this.#random.between(20, 1_500);
    const startedMs = nowMs();
    const aborter = this.#random.chance(0.1) ? new AbortController() : undefined;
    try {
      const answering = this.#random.pick(this.#sessions).request(payload, {
        timeoutMs,
        idempotent: this.#random.chance(0.3),
        ...(aborter && { signal: aborter.signal }),
      });
      if (aborter !== undefined) void delay(this.#random.between(0, 10)).then(() => aborter.abort());
      const answer = await answering;
      this.#count('answered');
      if (Buffer.compare(answer, payload) !== 0)
        this.#invariants.violate(`a request of ${payload.length} bytes got the answer to another one`);
    } catch (error) {
      if (error instanceof BrokerPoolError) this.#count(error.code);
      else this.#invariants.violate(`a request threw what is no BrokerPoolError: ${String(error)}`);
    } finally {
      this.#invariants.settled(`request of ${timeoutMs} ms`, startedMs, timeoutMs);
    }
  }

  /** Unique: an answer that belongs to another request would show. */
  #payload(): Buffer {
    const bytes = this.#random.chance(0.02)
      ? this.#random.between(16 * 1024, MOST_BYTES)
      : this.#random.between(8, 300);
    const payload = Buffer.alloc(bytes, this.#requests);
    payload.writeDoubleLE(++this.#requests);
    return payload;
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}
