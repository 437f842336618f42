import type { Socket } from 'node:net';
import { EnvironmentVariables, fakeBackendFromEnv } from '../../broker-options/environment.js';
import type { Clock } from '../../clock.js';
import { checkEndpoint } from '../../endpoint.js';
import { BrokerPoolError, errorFromFailure } from '../../errors.js';
import { connectByIdentity } from '../../identity/connect-by-identity.js';
import {
  connectWithin,
  dialFailure,
  type DialOutcome,
  type SocketMaker,
} from '../../negotiation/sockets/dial.js';
import { offersHandoff } from '../../negotiation/exchange/handshake.js';
import { describeNegotiated, handshakeJob, runJob, type Driver } from '../../negotiation/job.js';
import { isShortage } from '../../os/errno.js';
import { loadNative } from '../../os/native.js';
import { PooledSocket } from '../../os/pooled-socket.js';
import type { EndpointCache } from '../../endpoint-cache/endpoint-cache.js';
import type { PoolSettings } from '../options.js';
import type { ConnectRequest, NewConnection } from './connect-request.js';
import { Retries, type BeforeRetry } from './retries.js';

/** Closes a connection that the pool does not take, and overwrites its token. */
export function discard({ socket, handoffToken }: NewConnection): void {
  socket.destroy();
  handoffToken?.fill(0);
}

/** No other socket comes between the connect and the pooled connection. */
const makePooledSocket: SocketMaker = (descriptor) => PooledSocket.over(descriptor);

/** A {@link Connector}, or a test's stand-in. */
export type OpensConnections = Pick<Connector, 'connect' | 'retryNow'>;

/**
 * Opens connections: Hello-skip where an endpoint is known, else one negotiation at a time per cold target.
 */
export class Connector {
  readonly #settings: PoolSettings;
  readonly #cache: EndpointCache | undefined;
  readonly #clock: Clock;
  readonly #driver: () => Driver;
  #underWay = 0;
  #onIdle: (() => void) | undefined;
  readonly #retries: Retries;
  readonly #closing = new AbortController();

  constructor(settings: PoolSettings, cache: EndpointCache | undefined, clock: Clock, driver: () => Driver) {
    this.#settings = settings;
    this.#cache = cache;
    this.#clock = clock;
    this.#driver = driver;
    this.#retries = new Retries(clock, settings.retry.attempts, this.#closing.signal);
  }

  /** Ends the pauses of this target's connects: they try again at once. */
  retryNow(key: string): void {
    this.#retries.retryNow(key);
  }

  /**
   * Opens one connection, or fails with the reason. The deadlines of the waiters, or `retry`, end the retries.
   *
   * @param startedMs when the connect began, on the monotonic clock
   */
  async connect(
    request: ConnectRequest,
    startedMs: number,
    beforeRetry: BeforeRetry,
  ): Promise<NewConnection> {
    // A listener that has just heard of this connect may have ended the pool.
    this.#closing.signal.throwIfAborted();
    this.#underWay += 1;
    try {
      // A success that comes while the pool ends is the opener's to discard: it is stopped before this is
      // closed.
      return await this.#attempt(request);
    } catch (error) {
      return await this.#retry(request, startedMs, beforeRetry, error);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle?.();
    }
  }

  /** Gives up everything that is under way. */
  close(): void {
    this.#closing.abort(new BrokerPoolError('POOL_CLOSED', 'the pool was closed'));
  }

  /** When all that was under way has ended; asked once. The driver must have been closed. */
  async ended(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  async #retry(
    request: ConnectRequest,
    startedMs: number,
    beforeRetry: BeforeRetry,
    firstError: unknown,
  ): Promise<NewConnection> {
    let opened: NewConnection | undefined;
    try {
      return await this.#retries.run(
        request,
        startedMs,
        beforeRetry,
        firstError,
        async () => (opened = await this.#attempt(request)),
      );
    } catch (error) {
      // The signal is looked at once more behind a success: closing in that very moment must not lose the
      // socket.
      if (opened !== undefined) discard(opened);
      throw error;
    }
  }

  async #attempt(request: ConnectRequest): Promise<NewConnection> {
    const { key } = request;
    const given = this.#settings.testSeams ? fakeBackendFromEnv() : undefined;
    const seam = given === undefined ? undefined : checkEndpoint(EnvironmentVariables.FAKE_BACKEND, given);
    if (seam === undefined && request.identityFile !== undefined)
      return await this.#identify(request, request.identityFile);
    for (;;) {
      const endpoint = seam ?? (request.maySkipHello ? this.#cache?.get(key) : undefined);
      if (endpoint !== undefined) {
        const dial = this.#connectTo(endpoint, makePooledSocket);
        // Nearly always it has ended on the spot. To await it all the same takes 3 % of a connect.
        const outcome = 'then' in dial ? await dial : dial;
        const opened = this.#judgeDial(request, endpoint, outcome, seam !== undefined);
        if (opened !== undefined) return opened;
        continue;
      }
      const other = request.negotiation;
      // The first Hello answers for all callers; a Hello-skip needs the wanted version to be ours (C-11).
      const waits = request.isCold || (request.maySkipHello && this.#cache !== undefined);
      if (other === undefined || !waits) return await this.#negotiate(request);
      // Shares the other's failure; after its success the endpoint is known.
      await other;
    }
  }

  /**
   * The connection to a remembered endpoint. One that does not answer is forgotten, and is no error (C-13, X-26); that
   * of a test, which stands in place of cache and broker, is one (C-23).
   */
  #judgeDial(
    { key, attempts }: ConnectRequest,
    endpoint: string,
    outcome: DialOutcome,
    isSeam: boolean,
  ): NewConnection | undefined {
    if (outcome.kind === 'connected') return { socket: outcome.socket, endpoint, route: 'hello-skip' };
    // A shortage says nothing about the endpoint, and a Hello would fare no better.
    if (isSeam || (outcome.kind === 'refused' && isShortage(outcome.system))) {
      attempts.begun += 1;
      attempts.ended += 1;
      throw errorFromFailure(dialFailure('backend', endpoint, outcome));
    }
    this.#cache?.invalidate(key, endpoint);
    return undefined;
  }

  /** Connects by the identity file. No endpoint is remembered: each connection is probed. */
  async #identify({ attempts }: ConnectRequest, file: string): Promise<NewConnection> {
    attempts.begun += 1;
    const dial = async (endpoint: string): Promise<Socket> => {
      const outcome = await this.#connectTo(endpoint);
      if (outcome.kind === 'connected') return outcome.socket;
      throw errorFromFailure(dialFailure('backend', endpoint, outcome));
    };
    const { roundTripTimeoutMs: timeoutMs } = this.#settings;
    const limits = { timeoutMs, signal: this.#closing.signal, keepAlive: false };
    try {
      return { ...(await connectByIdentity(file, { dial, ...limits })), route: 'hello-skip' };
    } finally {
      attempts.ended += 1;
    }
  }

  #connectTo(endpoint: string, makeSocket?: SocketMaker): DialOutcome | Promise<DialOutcome> {
    const { roundTripTimeoutMs: timeoutMs, trust } = this.#settings;
    const options = { endpoint, timeoutMs, clock: this.#clock, trust, keepAlive: false, makeSocket };
    return connectWithin(loadNative(), options, this.#closing.signal, 'the pool was closed');
  }

  async #negotiate(request: ConnectRequest): Promise<NewConnection> {
    const { attempts } = request;
    attempts.begun += 1;
    const negotiation = this.#runNegotiation(request);
    request.negotiation ??= negotiation;
    try {
      return await negotiation;
    } finally {
      attempts.ended += 1;
      if (request.negotiation === negotiation) request.negotiation = undefined;
    }
  }

  async #runNegotiation(request: ConnectRequest): Promise<NewConnection> {
    const { target, key, handoff } = request;
    const { handoffReadyTimeoutMs, roundTripTimeoutMs, trust } = this.#settings;
    const adoptHandedOffConnection = handoff?.shouldWait() ?? false;
    const startedMs = this.#clock.now();
    const settings = { roundTripTimeoutMs, adoptHandedOffConnection, handoffReadyTimeoutMs, trust };
    const hello = adoptHandedOffConnection ? request.adoptingHello : request.hello;
    const { socket, endpoint, route, negotiated } = await runJob(
      this.#driver(),
      handshakeJob(target.brokerEndpoint, hello, settings, startedMs),
    );
    handoff?.learn({
      waited: adoptHandedOffConnection,
      offered: offersHandoff(negotiated),
      adopted: route === 'handle-passed',
      durationMs: this.#clock.now() - startedMs,
    });
    if (request.maySkipHello && endpoint !== '') this.#cache?.set(key, endpoint);
    return { socket, endpoint, route, ...describeNegotiated(negotiated) };
  }
}
