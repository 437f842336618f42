import { Agent, type ClientRequest } from 'node:http';
import { afterPromises, afterThisCode } from '../clock.js';
import type { Lease } from '../pool/lease.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { isOutlived } from './keep-alive-hints.js';
import { LeasedSocket } from './leased-socket.js';
import { asError, checkPoolAndTarget } from './pool-arguments.js';
import { WaitingRequest, type AgentRequest } from './waiting-request.js';

/**
 * An agent without sockets of its own: each request has a lease, from when it asks for a socket until its answer has
 * been read. Node's agent keeps sockets that it has got, and an agent of it that gets them later than it asks for them
 * counts none meanwhile: over a pool with a limit, its requests would wait for sockets that it holds itself.
 *
 * While no caller waits for a connection, a request that follows an answer at once has the lease of the request before
 * it. The way through the pool, with a new socket object, takes a twentieth of a whole request.
 */
class PoolAgent extends Agent {
  readonly #pool: LeasingPool;
  readonly #target: TargetOptions | undefined;
  readonly #inUse = new Set<LeasedSocket>();
  /** Sockets whose answers have been read in this turn, the newest last. */
  readonly #spare: LeasedSocket[] = [];

  constructor(pool: LeasingPool, target: TargetOptions | undefined) {
    // Without it Node asks the backend to close the connection after the answer.
    super({ keepAlive: true });
    this.#pool = pool;
    this.#target = target;
  }

  /** Called by each new request, from its constructor. */
  addRequest(request: ClientRequest, options: { readonly timeout?: number }): void {
    const asking: AgentRequest = request;
    try {
      // The request's signal had aborted before.
      if (request.destroyed) return asking.onSocket(undefined);
      const leased = this.#takeSpare() ?? this.#takeIdle();
      if (leased === undefined) void this.#wait(request, options.timeout);
      else leased.serve(request, options.timeout);
    } catch (error) {
      asking.onSocket(undefined, asError(error));
    }
  }

  /**
   * Destroys the sockets of the requests under way, which fail with `ECONNRESET`. Requests that wait for a connection
   * go on, and the agent can be used afterwards, as Node's own. Idle connections are the pool's: its `close` ends
   * them.
   */
  override destroy(): void {
    this.#releaseSpare();
    for (const { socket } of this.#inUse) socket.destroy();
  }

  readonly #onReusable = (leased: LeasedSocket): void => {
    if (!leased.isSpare) return leased.release();
    // After all code that follows from the answer, which may make the next request.
    if (this.#spare.push(leased) === 1) afterThisCode(() => afterPromises(() => this.#releaseSpare()));
  };

  #releaseSpare(): void {
    for (const leased of this.#spare.splice(0)) leased.release();
  }

  #takeSpare(): LeasedSocket | undefined {
    for (;;) {
      const leased = this.#spare.pop();
      // Since its answer another caller may have come, or the pool may have been closed.
      if (leased === undefined || leased.isSpare) return leased;
      leased.release();
    }
  }

  #takeIdle(): LeasedSocket | undefined {
    for (;;) {
      const lease = this.#pool.tryAcquire?.(this.#target);
      if (lease === undefined) return undefined;
      if (!isOutlived(lease)) return this.#use(lease);
      lease.destroy();
    }
  }

  async #acquire(signal: AbortSignal): Promise<Lease> {
    for (;;) {
      const lease = await this.#pool.acquire({ ...this.#target, signal });
      if (!isOutlived(lease)) return lease;
      lease.destroy();
    }
  }

  #use(lease: Lease): LeasedSocket {
    return new LeasedSocket(lease, this.#inUse, this.#onReusable);
  }

  async #wait(request: ClientRequest, timeoutMs: number | undefined): Promise<void> {
    const asking: AgentRequest = request;
    const waiting = new WaitingRequest(request, timeoutMs);
    try {
      const lease = await this.#acquire(waiting.signal);
      waiting.end();
      if (!request.destroyed) return this.#use(lease).serve(request, timeoutMs);
      lease.release();
      asking.onSocket(undefined);
    } catch (error) {
      waiting.end();
      // Node has a better word for why it was destroyed than the pool has for its aborted wait.
      asking.onSocket(undefined, request.destroyed ? undefined : asError(error));
    }
  }
}

/**
 * An `http.Agent` whose requests go to the backend of a pool, not to the host and port of their URLs. A request has
 * a lease until its answer has been read; requests beyond `max` wait in the pool's queue.
 *
 * Errors of the pool reach the request's `error` event as they are: `REFUSED`, `TIMEOUT`, `BACKEND_CONNECT`,
 * `POOL_CLOSED`, …
 *
 * @param target the service and version to reach, where they are not those of the pool
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`
 */
export function httpAgent(pool: LeasingPool, target?: TargetOptions): Agent {
  return new PoolAgent(pool, checkPoolAndTarget(pool, target));
}
