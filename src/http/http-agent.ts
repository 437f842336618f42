import { Agent, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Lease } from '../pool/lease.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { isOutlived, noteKeepAlive } from './keep-alive-hints.js';
import { checkPoolAndTarget } from './pool-arguments.js';
import { WaitingRequest, type AgentRequest } from './waiting-request.js';

/**
 * An agent without sockets of its own: each request has a lease, from when it asks for a socket until its answer has
 * been read. Node's agent keeps sockets that it has got, and an agent of it that gets them later than it asks for them
 * counts none meanwhile: over a pool with a limit, its requests would wait for sockets that it holds itself.
 */
class PoolAgent extends Agent {
  readonly #pool: LeasingPool;
  readonly #target: TargetOptions | undefined;
  readonly #sockets = new Set<Socket>();

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
      const lease = request.destroyed ? undefined : this.#takeIdle();
      if (lease !== undefined) this.#serve(request, lease, options.timeout);
      // Its signal had aborted before.
      else if (request.destroyed) asking.onSocket(undefined);
      else void this.#wait(request, options.timeout);
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
    for (const socket of this.#sockets) socket.destroy();
  }

  #takeIdle(): Lease | undefined {
    for (;;) {
      const lease = this.#pool.tryAcquire?.(this.#target);
      if (lease === undefined || !isOutlived(lease)) return lease;
      lease.destroy();
    }
  }

  async #wait(request: ClientRequest, timeoutMs: number | undefined): Promise<void> {
    const asking: AgentRequest = request;
    const waiting = new WaitingRequest(request, timeoutMs);
    try {
      let lease = await this.#pool.acquire({ ...this.#target, signal: waiting.signal });
      while (isOutlived(lease)) {
        lease.destroy();
        lease = await this.#pool.acquire({ ...this.#target, signal: waiting.signal });
      }
      waiting.end();
      if (!request.destroyed) return this.#serve(request, lease, timeoutMs);
      lease.release();
      asking.onSocket(undefined);
    } catch (error) {
      waiting.end();
      // Node has a better word for why it was destroyed than the pool has for its aborted wait.
      asking.onSocket(undefined, request.destroyed ? undefined : asError(error));
    }
  }

  #serve(request: ClientRequest, lease: Lease, timeoutMs: number | undefined): void {
    const { socket } = lease;
    // Callers may repeat a request over a connection that ended while it was idle.
    request.reusedSocket = socket.bytesRead > 0;
    this.#sockets.add(socket);
    const onFree = (): void => {
      this.#sockets.delete(socket);
      noteKeepAlive(lease, keepAliveOf(request));
      lease.release();
    };
    const onClose = (): void => {
      this.#sockets.delete(socket);
      if (!lease.spent) lease.destroy();
    };
    socket.once('free', onFree);
    socket.once('close', onClose);
    // The request gives the socket to its caller: it has been upgraded, or is the tunnel of a CONNECT.
    socket.once('agentRemove', () => {
      socket.off('free', onFree).off('close', onClose);
      this.#sockets.delete(socket);
      lease.detach();
    });
    if (timeoutMs !== undefined) socket.setTimeout(timeoutMs);
    request.onSocket(socket);
  }
}

/** The header of a request's answer; Node's types do not have the answer. */
function keepAliveOf(request: ClientRequest): unknown {
  const response: { headers?: Record<string, unknown> } | null | undefined = Reflect.get(request, 'res');
  return response?.headers?.['keep-alive'];
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * An `http.Agent` whose requests go to the backend of a pool, whatever host and port their URLs name. Each request has
 * one lease; requests beyond `max` wait in the pool's queue.
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
