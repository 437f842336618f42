import { outOfContext } from '../../async-context.js';
import type { Clock } from '../../clock.js';
import type { BrokerPoolError } from '../../errors.js';
import { Fifo } from '../../fifo.js';
import { openError } from '../session-errors.js';
import type { ConnectionSource, HeldConnection } from '../sources/connection-source.js';
import { chooseConnection } from './choice.js';
import type { ConnectionEvents } from './connection-events.js';
import type { OpenRequests } from './open-requests.js';
import { SessionConnection, type Request } from './session-connection.js';
import { Turnover } from './turnover.js';

export interface DispatcherSettings {
  /** Connections at most. */
  readonly connections: number;
  /** Requests in flight on one of them at most. */
  readonly maxInFlight: number;
  /** A connection goes back as soon as it owes no answer. */
  readonly returnAtOnce: boolean;
}

/** How long the opening of an extra connection may take: requests can share the open ones without it. */
const EXTRA_OPEN_MS = 100;
/** The pause after an extra connection could not be opened. */
const EXTRA_PAUSE_MS = 1_000;

/**
 * Gives requests to connections, opens them where they are wanted, and gives them back. Each change of capacity
 * ends in one {@link pump}.
 */
export class Dispatcher {
  readonly #source: ConnectionSource;
  readonly #settings: DispatcherSettings;
  readonly #clock: Clock;
  readonly #requests: OpenRequests;
  readonly #connections: SessionConnection[] = [];
  /** Large requests wait by themselves, so that small ones pass them. */
  readonly #small = new Fifo<Request>();
  readonly #large = new Fifo<Request>();
  /** Requests whose connection has died in this turn, which go on in the next one. */
  readonly #lost = new Fifo<Request>();
  #cancelPutBack: (() => void) | undefined;
  readonly #opening = new Set<AbortController>();
  #noExtraBeforeMs = -Infinity;
  readonly #turnover: Turnover;
  #cancelSweep: (() => void) | undefined;
  unaskedFrames = 0;
  #isClosed = false;

  constructor(source: ConnectionSource, settings: DispatcherSettings, clock: Clock, requests: OpenRequests) {
    this.#source = source;
    this.#settings = settings;
    this.#clock = clock;
    this.#requests = requests;
    this.#turnover = new Turnover(this.#connections, source, clock);
  }

  get connections(): number {
    return this.#connections.length;
  }

  /** Requests that wait for a connection. */
  get queued(): number {
    return this.#small.length + this.#large.length + this.#lost.length;
  }

  /** Requests on connections whose callers wait. */
  get inFlight(): number {
    return this.#sum(({ waiting }) => waiting);
  }

  /** Requests whose callers have given up, and whose answers are owed. */
  get abandoned(): number {
    return this.#sum(({ abandoned }) => abandoned);
  }

  submit(request: Request): void {
    this.#queueOf(request).push(request);
    this.#pump();
  }

  /** The request's caller has given up. */
  giveUp(request: Request): void {
    const { connection } = request;
    if (connection === undefined) {
      if (!this.#lost.remove(request)) this.#queueOf(request).remove(request);
    } else {
      connection.giveUp(request);
      this.#settle(connection);
    }
    this.#pump();
  }

  /** Fails all requests and gives up all connections. */
  close(error: BrokerPoolError): void {
    this.#isClosed = true;
    for (const attempt of this.#opening) attempt.abort();
    this.#cancelPutBack?.();
    const requests = [...this.#lost.takeAll(), ...this.#small.takeAll(), ...this.#large.takeAll()];
    for (const connection of this.#connections.splice(0)) {
      if (connection.waiting > 0) requests.push(...connection.close());
      else connection.giveBack();
    }
    this.#cancelSweep?.();
    for (const request of requests) this.#requests.fail(request, error, true);
  }

  readonly #connectionEvents: ConnectionEvents<SessionConnection> = {
    onAnswer: (request, payload) => {
      request.connection = undefined;
      this.#requests.settle(request, payload);
    },
    onFailure: (request, error) => this.#requests.fail(request, error, true),
    onProgress: (connection) => {
      this.#turnover.onProgress(connection);
      this.#settle(connection);
      this.#pump();
    },
    isOnlyBusy: (connection) =>
      this.#connections.every((other) => other === connection || other.inFlight === 0),
    onUnasked: () => void this.unaskedFrames++,
    onLost: (connection, owed, unsent, error) => {
      this.#drop(connection);
      // The backend has executed none of the unsent ones: the next connection takes them.
      for (const request of owed) if (!request.isRepeatable) this.#requests.fail(request, error, true);
      for (const request of [...owed.filter(({ isRepeatable }) => isRepeatable), ...unsent]) {
        request.state = 'queued';
        request.connection = undefined;
        this.#lost.push(request);
      }
      this.#cancelPutBack ??= this.#clock.afterTurn(() => this.#putBack());
      this.#pump();
    },
  };

  /**
   * Queues the requests of lost connections again, a turn later: all connections of a dead backend end in one turn, and
   * a request that moved from one to the next would spend an attempt on each.
   */
  #putBack(): void {
    this.#cancelPutBack = undefined;
    const requests = this.#lost.takeAll();
    this.#small.putBack(requests.filter(({ isLarge }) => !isLarge));
    this.#large.putBack(requests.filter(({ isLarge }) => isLarge));
    this.#pump();
  }

  /** Gives waiting requests to connections. */
  #pump(): void {
    if (this.#isClosed) return;
    this.#assign(this.#small, false);
    this.#assign(this.#large, true);
    const { connections: limit, returnAtOnce } = this.#settings;
    const open = this.#connections.length;
    if (this.queued === 0) {
      // Where requests share connections, the first one is opened all the same, for requests to come.
      if (returnAtOnce || open === 0) this.#stopOpening();
      return;
    }
    const wanted = returnAtOnce ? Math.min(this.queued, limit - open) : open === 0 ? 1 : 0;
    while (this.#opening.size < wanted) this.#open();
  }

  #assign(queue: Fifo<Request>, isLarge: boolean): void {
    for (let request = queue.first; request !== undefined; request = queue.first) {
      const connection = chooseConnection(this.#connections, isLarge, this.#settings.connections);
      // Requests share connections, but not where each can have its own.
      if (connection === undefined || connection.inFlight > 0) this.#openExtra();
      if (connection === undefined) return;
      // A new connection is there sooner than the rest of a large frame.
      if (!isLarge && connection.isSlow && this.#opening.size > 0) return;
      queue.remove(request);
      connection.send(request);
    }
  }

  #openExtra(): void {
    const { connections: limit, returnAtOnce } = this.#settings;
    const open = this.#connections.length;
    if (returnAtOnce || open === 0 || open >= limit || this.#opening.size > 0) return;
    // A connection goes back because other users wait: an extra one would wait behind these.
    if (this.#turnover.isYielding) return;
    if (this.#clock.now() >= this.#noExtraBeforeMs) this.#open(EXTRA_OPEN_MS);
  }

  #open(timeoutMs?: number): void {
    const attempt = new AbortController();
    this.#opening.add(attempt);
    // A connection serves many callers: it is opened in the context of none.
    outOfContext(() => this.#source.open(attempt.signal, timeoutMs)).then(
      (held) => this.#onOpened(attempt, held),
      (error: unknown) => this.#onOpenFailed(attempt, error, timeoutMs !== undefined),
    );
  }

  #onOpened(attempt: AbortController, held: HeldConnection): void {
    this.#opening.delete(attempt);
    // The connection was ready before the abort reached it. No request needs it any more.
    if (this.#isClosed || attempt.signal.aborted) return held.giveBack();
    const { maxInFlight } = this.#settings;
    this.#connections.push(
      new SessionConnection(held, maxInFlight, this.#clock.now(), this.#connectionEvents),
    );
    this.#sweepLater();
    this.#pump();
  }

  #onOpenFailed(attempt: AbortController, error: unknown, isExtra: boolean): void {
    this.#opening.delete(attempt);
    if (this.#isClosed || attempt.signal.aborted) return;
    this.#noExtraBeforeMs = this.#clock.now() + EXTRA_PAUSE_MS;
    const { returnAtOnce } = this.#settings;
    const isServing = this.#connections.length > 0;
    // Asking a pool again that refuses at once would never end. The next answer leads to another attempt.
    if (returnAtOnce && isServing) return;
    if (isExtra || isServing || (!returnAtOnce && this.#opening.size > 0)) return this.#pump();
    const failure = openError(error);
    // Where each request gets a connection of its own, this one was for the first request alone.
    for (let rest = returnAtOnce ? 1 : this.queued; rest > 0; rest--) {
      const request = this.#lost.shift() ?? this.#small.shift() ?? this.#large.shift();
      if (request === undefined) break;
      request.attempts++;
      this.#requests.fail(request, failure, true);
    }
    this.#pump();
  }

  /** No request waits for a connection any more. */
  #stopOpening(): void {
    for (const attempt of this.#opening) attempt.abort();
    this.#opening.clear();
  }

  /** Gives connections back in turn, for as long as there are any. */
  #sweepLater(): void {
    this.#cancelSweep ??= this.#clock.schedule(this.#source.idleMs, () => {
      this.#cancelSweep = undefined;
      for (const connection of this.#turnover.sweep()) this.#settle(connection);
      this.#pump();
      if (this.#connections.length > 0) this.#sweepLater();
    });
  }

  /** Gives a connection back that has nothing more to do, has been held for long, or that its backend has forgotten. */
  #settle(connection: SessionConnection): void {
    const isOver = connection.isStuck || connection.isRetiring || this.#settings.returnAtOnce;
    if (connection.waiting > 0 || !isOver) return;
    this.#drop(connection);
    connection.giveBack();
  }

  #drop(connection: SessionConnection): void {
    const index = this.#connections.indexOf(connection);
    if (index >= 0) this.#connections.splice(index, 1);
    this.#turnover.onDropped(connection);
  }

  #queueOf(request: Request): Fifo<Request> {
    return request.isLarge ? this.#large : this.#small;
  }

  #sum(count: (connection: SessionConnection) => number): number {
    return this.#connections.reduce((sum, connection) => sum + count(connection), 0);
  }
}
