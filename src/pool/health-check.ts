import type { Socket } from 'node:net';
import { outOfContext } from '../async-context.js';
import type { Clock } from '../clock.js';
import { BrokerPoolError } from '../errors.js';
import type { Route } from '../negotiation/job.js';
import { described } from '../validation.js';
import { copyOf } from '../wire/frame.js';
import type { Bag } from './bag.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';
import type { Waiter } from './waiter.js';
import { withoutThrowing } from './without-throwing.js';

/** A connection as the `validate` hook sees it. */
export interface ConnectionToValidate {
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  /** No caller has had the connection yet: a backend that greets may do so while the hook is asked. */
  readonly isNew: boolean;
  /**
   * What the backend has said before the first lease. It is not on the socket now, and goes to the first
   * caller. A hook that reads what arrives later takes it away from that caller, unless it puts it back by
   * `socket.unshift()`.
   */
  readonly greeting?: Uint8Array | undefined;
}

/**
 * Says whether an idle connection, or a new one to a remembered endpoint, is good, by a ping of the backend's
 * protocol for example. It must leave nothing unread or unsent. `false`, an error, or no answer in time
 * closes the connection as `invalid`; all but `false` show as `error` of the event `connectionClosed`. It
 * runs in no caller's asynchronous context: another caller than the one it began for may get the connection.
 */
export type Validate = (connection: ConnectionToValidate) => boolean | Promise<boolean>;

/** When the hook is asked, and how long it may take. */
export interface HealthCheckSettings {
  readonly validate?: Validate | undefined;
  readonly validateAfterIdleMs: number;
  readonly validateTimeoutMs: number;
}

/**
 * For so long whoever waits relies on a check that is under way, in milliseconds: longer than a ping takes
 * that is answered at all. Then another connection is looked for, and the check goes on without anybody.
 */
const PATIENCE_MS = 100;

/** The target pool, as its health checks see it. */
export interface HealthCheckOwner {
  /**
   * The connection is good, and idle again. With `wanted` it is good for the next waiter without another
   * check.
   */
  onHealthy(connection: PooledConnection, wanted: boolean): void;
  /** The connection is not good. @param error why the hook did not even say so */
  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): void;
  /** The connection died while it was checked, or whoever waits had better look for another. */
  pump(): void;
}

/**
 * Asks the `validate` hook about idle connections. Each is reserved meanwhile, so that nobody can lease it.
 */
export class HealthChecks {
  readonly #bag: Bag<PooledConnection, Waiter>;
  readonly #settings: HealthCheckSettings;
  readonly #clock: Clock;
  readonly #owner: HealthCheckOwner;
  /** What is being checked for somebody who relies on it, the check that began first in front. */
  readonly #expected = new Set<PooledConnection>();
  /** Checks under way, each with what ends it. */
  readonly #underWay = new Map<PooledConnection, (verdict: Verdict) => void>();

  constructor(
    bag: Bag<PooledConnection, Waiter>,
    settings: HealthCheckSettings,
    clock: Clock,
    owner: HealthCheckOwner,
  ) {
    this.#bag = bag;
    this.#settings = settings;
    this.#clock = clock;
    this.#owner = owner;
  }

  /**
   * Checks under way that count as connections on their way: they began a moment ago, for somebody who still
   * waits.
   */
  get expected(): number {
    return this.#expected.size;
  }

  /**
   * No more than so many callers can rely on a check: those that began for somebody who has left no longer
   * count.
   */
  expectAtMost(waiting: number): void {
    let surplus = this.#expected.size - waiting;
    if (surplus <= 0) return;
    for (const connection of this.#expected) {
      this.#expected.delete(connection);
      surplus -= 1;
      if (surplus === 0) return;
    }
  }

  /** Whether an idle connection must be checked before it is leased. */
  isDue(connection: PooledConnection, now: () => number): boolean {
    const { validate, validateAfterIdleMs } = this.#settings;
    if (validate === undefined) return false;
    // The time of the turn may be older than a check that ended in it.
    const idleMs = connection.resting ? Math.max(0, now() - connection.idleSinceMs) : 0;
    return idleMs >= validateAfterIdleMs;
  }

  /**
   * @param wanted somebody waits for it; else it is a keepalive, after which the connection is as spare as
   * before, unless somebody has come
   */
  check(connection: PooledConnection, wanted: boolean): Promise<void> {
    return outOfContext(() => this.#check(connection, wanted));
  }

  async #check(connection: PooledConnection, wanted: boolean): Promise<void> {
    const { validate, validateTimeoutMs } = this.#settings;
    if (validate === undefined) return;
    this.#bag.reserve(connection);
    // A new connection does not rest yet. The callers who wait keep the process alive, and a check that they
    // have left must not.
    if (!connection.resting) connection.rest(this.#clock.now());
    connection.needsReset = true;
    const stopExpecting = wanted ? this.#expect(connection) : undefined;
    const { socket, endpoint, route, uses } = connection;
    const { bytesWritten } = socket;
    const greeting = connection.takeGreeting();
    // A copy: the caller is to get what the backend sent, whatever the hook does to its own.
    const shown = {
      socket,
      endpoint,
      route,
      isNew: uses === 0,
      ...(greeting && { greeting: copyOf(greeting) }),
    };
    const verdict = await this.#judge(connection, shown, validate, validateTimeoutMs);
    stopExpecting?.();
    if (connection.state !== 'reserved') return this.#owner.pump();
    const wasSilent = withoutThrowing(() => socket.bytesWritten === bytesWritten) === true;
    const reason = verdict === true ? connection.recycleChecked(greeting, !wasSilent) : 'invalid';
    if (reason !== undefined)
      return this.#owner.close(
        connection,
        reason === 'unsent' ? 'dirty' : reason,
        typeof verdict === 'boolean' ? undefined : verdict,
      );
    const wantedNow = wanted || this.#bag.waiting > 0;
    if (wantedNow) this.#bag.giveBack(connection);
    else this.#bag.giveBackAsSpare(connection);
    this.#owner.onHealthy(connection, wantedNow);
  }

  /** The connection closes: its check must not leave a timer behind. */
  stop(connection: PooledConnection): void {
    this.#underWay.get(connection)?.(false);
  }

  /** Asks the hook, and waits no longer than `limitMs` for it. */
  #judge(
    connection: PooledConnection,
    shown: ConnectionToValidate,
    validate: Validate,
    limitMs: number,
  ): Promise<Verdict> {
    const { endpoint } = connection;
    return new Promise((resolve) => {
      const settle = (verdict: Verdict): void => {
        limit.cancel();
        this.#underWay.delete(connection);
        resolve(verdict);
      };
      const onLimit = (): void =>
        settle(
          new BrokerPoolError('TIMEOUT', `validate did not answer within ${limitMs} ms`, {
            phase: 'validate',
            endpoint,
          }),
        );
      const limit = this.#clock.deadline(limitMs, onLimit);
      this.#underWay.set(connection, settle);
      void ask(validate, shown).then(settle);
    });
  }

  /** Counts a check as a connection on its way, until it is over or takes too long. */
  #expect(connection: PooledConnection): () => void {
    this.#expected.add(connection);
    const patience = this.#clock.deadline(PATIENCE_MS, () => {
      if (this.#expected.delete(connection)) this.#owner.pump();
    });
    return () => {
      patience.cancel();
      this.#expected.delete(connection);
    };
  }
}

/** What the hook says of a connection, or why it said nothing. */
type Verdict = boolean | BrokerPoolError;

/**
 * A hook that throws at once is no different from one that rejects; only `true` is a yes, whatever JavaScript
 * callers return.
 */
async function ask(validate: Validate, connection: ConnectionToValidate): Promise<Verdict> {
  const { endpoint } = connection;
  let answer: unknown;
  try {
    answer = await validate(connection);
  } catch (error) {
    const message = error instanceof Error ? error.message : described(error);
    return new BrokerPoolError('VALIDATION_FAILED', `validate failed: ${message}`, {
      endpoint,
      cause: error,
    });
  }
  if (typeof answer === 'boolean') return answer;
  return new BrokerPoolError(
    'VALIDATION_FAILED',
    `validate must answer true or false, got ${described(answer)}`,
    { endpoint },
  );
}
