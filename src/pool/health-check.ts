import type { Socket } from 'node:net';
import type { Clock } from '../clock.js';
import type { Route } from '../negotiation/job.js';
import type { Bag } from './bag.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';
import type { Waiter } from './waiter.js';

/** A connection as the `validate` hook sees it. */
export interface ConnectionToValidate {
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
}

/**
 * Says whether an idle connection is still good, by a ping of the backend's protocol for example. It must leave nothing unread. `false`, an
 * error, or no answer in time closes the connection as `invalid`.
 */
export type Validate = (connection: ConnectionToValidate) => boolean | Promise<boolean>;

/** When the hook is asked, and how long it may take. */
export interface HealthCheckSettings {
  readonly validate: Validate | undefined;
  readonly validateAfterIdleMs: number;
  readonly roundTripTimeoutMs: number;
}

/** The target pool, as its health checks see it. */
export interface HealthCheckOwner {
  /** The connection is good, and idle again. With `wanted` it is good for the next waiter without another check. */
  onHealthy(connection: PooledConnection, wanted: boolean): void;
  /** The connection is not good. */
  close(connection: PooledConnection, reason: CloseReason): void;
  /** The connection died while it was checked. */
  pump(): void;
}

/** Asks the `validate` hook about idle connections. Each is reserved meanwhile, so that nobody can lease it. */
export class HealthChecks {
  readonly #bag: Bag<PooledConnection, Waiter>;
  readonly #settings: HealthCheckSettings;
  readonly #clock: Clock;
  readonly #owner: HealthCheckOwner;
  #wanted = 0;

  constructor(bag: Bag<PooledConnection, Waiter>, settings: HealthCheckSettings, clock: Clock, owner: HealthCheckOwner) {
    this.#bag = bag;
    this.#settings = settings;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Checks under way that somebody waits for. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Whether an idle connection must be checked before it is leased. */
  isDue(connection: PooledConnection, now: () => number): boolean {
    const { validate, validateAfterIdleMs } = this.#settings;
    if (validate === undefined) return false;
    const idleMs = connection.resting ? now() - connection.idleSinceMs : 0;
    return idleMs >= validateAfterIdleMs;
  }

  /** @param wanted somebody waits for it; else it is a keepalive, after which the connection is as spare as before, unless somebody has come */
  async check(connection: PooledConnection, wanted: boolean): Promise<void> {
    const { validate, roundTripTimeoutMs } = this.#settings;
    if (validate === undefined) return;
    this.#bag.reserve(connection);
    connection.touched = true;
    if (wanted) this.#wanted += 1;
    const healthy = await isHealthy(connection, validate, roundTripTimeoutMs, this.#clock, wanted);
    if (wanted) this.#wanted -= 1;
    if (connection.state !== 'reserved') return this.#owner.pump();
    const reason = healthy ? connection.recycle() : 'invalid';
    if (reason !== undefined) return this.#owner.close(connection, reason);
    const wantedNow = wanted || this.#bag.waiting > 0;
    if (wantedNow) this.#bag.giveBack(connection);
    else this.#bag.giveBackAsSpare(connection);
    this.#owner.onHealthy(connection, wantedNow);
  }
}

/**
 * Asks the hook, and waits no longer than `limitMs` for it.
 *
 * @param keepAlive the socket of an idle connection does not keep the process alive; whoever waits for it must
 */
async function isHealthy(
  connection: ConnectionToValidate,
  validate: Validate,
  limitMs: number,
  clock: Clock,
  keepAlive: boolean,
): Promise<boolean> {
  const { socket, endpoint, route } = connection;
  return await new Promise((resolve) => {
    const settle = (healthy: boolean): void => {
      cancelLimit();
      socket.off('close', onClose);
      resolve(healthy);
    };
    const onClose = (): void => settle(false);
    const cancelLimit = clock.schedule(limitMs, onClose, keepAlive);
    // A pool that ends destroys the socket, and must not leave the timer behind.
    socket.once('close', onClose);
    ask(validate, { socket, endpoint, route }).then(settle, () => settle(false));
  });
}

/** A hook that throws at once is no different from one that rejects; only `true` is a yes, whatever JavaScript callers return. */
async function ask(validate: Validate, connection: ConnectionToValidate): Promise<boolean> {
  const answer: unknown = await validate(connection);
  return answer === true;
}
