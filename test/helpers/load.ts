import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerPool, BrokerPoolError, Lease } from '../../src/index.js';

/** The pause of a caller before it tries again. */
const PAUSE_MS = 2;
/** Every so many leases a caller throws its connection away, so that there is always something to open. */
const DESTROY_EVERY = 10;

/** Callers that go round: acquire, ask, release. They note what they get, and stop when they are told to. */
export class Load {
  readonly #pool: BrokerPool;
  readonly #timeoutMs: number;
  readonly #callers: Promise<void>[];
  readonly errors: { readonly error: unknown; readonly tookMs: number }[] = [];
  /** Answers that came back. */
  answers = 0;
  /** The longest that an acquire took, whatever came of it. */
  longestMs = 0;
  #stopped = false;

  constructor(pool: BrokerPool, callers: number, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
    this.#callers = Array.from({ length: callers }, (_, caller) => this.#goRound(caller));
  }

  get codes(): ReadonlySet<string> {
    return new Set(this.errors.map(({ error }) => codeOf(error)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#callers);
  }

  async #goRound(caller: number): Promise<void> {
    for (let round = caller; !this.#stopped; round++) {
      const lease = await this.#acquire();
      if (lease === undefined) await delay(PAUSE_MS);
      else if (!(await answered(lease.socket, `question ${round}`))) lease.destroy('error');
      else {
        this.answers += 1;
        if (round % DESTROY_EVERY === 0) lease.destroy();
        else lease.release();
      }
    }
  }

  async #acquire(): Promise<Lease | undefined> {
    const startedMs = performance.now();
    const tookMs = (): number => performance.now() - startedMs;
    try {
      return await this.#pool.acquire({ timeoutMs: this.#timeoutMs });
    } catch (error) {
      this.errors.push({ error, tookMs: tookMs() });
      return undefined;
    } finally {
      this.longestMs = Math.max(this.longestMs, tookMs());
    }
  }
}

function codeOf(error: unknown): string {
  const known: Partial<BrokerPoolError> = error instanceof Error ? error : {};
  return known.code ?? String(error);
}

/** Whether the question comes back as it went; not so when the connection ends instead. */
function answered(socket: Socket, question: string): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = '';
    const end = (): void => {
      socket.off('data', onData);
      socket.off('close', end);
      resolve(answer === question);
    };
    const onData = (chunk: Buffer): void => {
      answer += String(chunk);
      if (answer.length >= question.length) end();
    };
    socket.on('data', onData);
    socket.on('close', end);
    if (socket.destroyed) return end();
    socket.write(question);
  });
}
