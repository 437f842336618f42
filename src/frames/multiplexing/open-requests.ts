import { rejectionOf } from '../../caller-stack.js';
import { afterPromises, systemClock } from '../../clock.js';
import { DeadlineTimer } from '../../deadline-queue.js';
import type { BrokerPoolError } from '../../errors.js';
import { requestError, type RequestFacts, type SessionTarget } from '../session-errors.js';
import type { Request } from './session-connection.js';

/** Facts about a failure that the request does not know. */
type MoreFacts = Pick<RequestFacts, 'situation' | 'advice'>;

/** The requests of a session whose callers wait, each with its deadline, each settled once. */
export class OpenRequests {
  size = 0;
  readonly #target: SessionTarget;
  readonly #deadlines: DeadlineTimer<Request>;
  /** Requests of this turn. Their time begins when it ends, so that the clock is read once for all of them. */
  readonly #begun: Request[] = [];
  #onNone = (): void => {};

  /** @param onDue is called with a request whose time is up */
  constructor(target: SessionTarget, onDue: (request: Request) => void) {
    this.#target = target;
    this.#deadlines = new DeadlineTimer(systemClock, onDue);
  }

  /** The time of a request begins. */
  start(request: Request): void {
    if (this.#begun.push(request) === 1) afterPromises(this.#startTimes);
  }

  /** @param isShared other requests fail with the same error */
  fail(request: Request, failure: BrokerPoolError, isShared: boolean, more: MoreFacts = {}): void {
    const { attempts, startedMs, connection, isIdempotent } = request;
    const elapsedMs = Math.max(systemClock.now() - startedMs, 0);
    const target = { ...this.#target, endpoint: connection?.endpoint ?? this.#target.endpoint };
    const facts = { target, attempts, elapsedMs, isIdempotent, ...more };
    this.settle(request, rejectionOf(requestError(failure, facts, isShared)));
  }

  settle(request: Request, outcome: Uint8Array | Promise<never>): void {
    request.state = 'settled';
    this.size--;
    if (request.dueMs !== Infinity) this.#deadlines.remove(request);
    request.stopListening?.();
    request.settle(outcome);
    if (this.size === 0) this.#onNone();
  }

  /** Resolves when no caller waits; asked once. */
  async ended(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => (this.#onNone = resolve));
  }

  /** No request follows. */
  stop(): void {
    this.#deadlines.stop();
  }

  readonly #startTimes = (): void => {
    const nowMs = systemClock.now();
    for (const request of this.#begun) {
      if (request.state === 'settled') continue;
      request.startedMs = nowMs;
      if (request.timeoutMs === Infinity) continue;
      request.dueMs = nowMs + request.timeoutMs;
      this.#deadlines.put(request);
    }
    this.#begun.length = 0;
  };
}
