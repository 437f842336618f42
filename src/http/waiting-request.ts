import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { currentContext } from '../async-context.js';
import { systemClock } from '../clock.js';

/** The member of a request that agents call. Node's types leave out the error in place of a socket. */
export interface AgentRequest {
  onSocket(socket: Socket | undefined, error?: Error): void;
}

/**
 * A request that has no socket yet. Node then only marks a request that is destroyed, by its `signal` too, and
 * emits no `timeout` for a request without a socket. So this class handles both.
 */
export class WaitingRequest {
  readonly #request: ClientRequest;
  readonly #abort = new AbortController();
  readonly #watched: ClientRequest['destroy'];
  readonly #stopTimer: (() => void) | undefined;

  /** @param timeoutMs the request's own `timeout`, as the caller gave it */
  constructor(request: ClientRequest, timeoutMs: number | undefined) {
    this.#request = request;
    const destroy = request.destroy.bind(request);
    // Not assigned at once: V8 makes a function in the old generation where it is written as a property's new value.
    const watched: ClientRequest['destroy'] = (error) => {
      destroy(error);
      this.#abort.abort();
      return request;
    };
    this.#watched = watched;
    request.destroy = watched;
    if (timeoutMs === undefined || timeoutMs === 0) return;
    const run = currentContext();
    this.#stopTimer = systemClock.schedule(timeoutMs, () => run(() => request.emit('timeout')));
  }

  /** Aborts when the request is destroyed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The request waits no more. */
  end(): void {
    this.#stopTimer?.();
    // A caller may have put another one around it.
    if (this.#request.destroy === this.#watched) Reflect.deleteProperty(this.#request, 'destroy');
  }
}
