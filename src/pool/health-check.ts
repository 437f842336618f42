import type { Socket } from 'node:net';
import { outOfContext } from '../async-context.js';
import type { Clock } from '../clock.js';
import { BrokerPoolError } from '../errors.js';
import type { Route } from '../negotiation/job.js';
import { PooledSocket } from '../os/pooled-socket.js';
import { withoutThrowing } from '../os/socket-handle.js';
import { described } from '../validation.js';
import { copyOf } from '../wire/frame.js';
import { LinkedQueue, type EntryList, type QueueItem } from './containers.js';
import type { CloseReason } from './close-reason.js';
import type { PooledConnection } from './pooled-connection.js';

/** A connection as the `validate` hook sees it. */
export interface ConnectionToValidate {
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  /** No caller has had the connection yet: a backend that greets may do so while the hook is asked. */
  readonly isNew: boolean;
  /**
   * The bytes that the backend has sent before the first lease. They are not on the socket now, and go to the
   * first caller. A hook that reads later bytes takes them from that caller, unless it puts them back by
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

export interface HealthCheckSettings {
  readonly validate?: Validate | undefined;
  readonly validateAfterIdleMs: number;
  readonly validateTimeoutMs: number;
}

/**
 * How long a waiter relies on a check, in milliseconds: longer than any ping takes that is answered. Then the
 * pump finds another connection, and the check goes on.
 */
const PATIENCE_MS = 100;

export interface CheckResult {
  /** Why the connection must close; `undefined` where it is good. */
  readonly reason: CloseReason | undefined;
  /** Why the hook said neither yes nor no. */
  readonly error?: BrokerPoolError | undefined;
}

/** A check under way. */
interface Check extends QueueItem<Check> {
  /** Ends the check; `undefined` before the hook is asked, and once the check has ended. */
  settle: ((verdict: Verdict) => void) | undefined;
}

/** Asks the `validate` hook about connections. Each is reserved meanwhile, so that no caller can lease it. */
export class HealthChecks {
  /**
   * Checks that count as connections under way: they began a moment ago, and a caller waits for them. Each check enters
   * and leaves: the tables of a `Set` would keep checks until a full collection.
   */
  readonly #expected = new LinkedQueue<Check>();
  /** The check of a connection, until its result has been acted on. */
  readonly #checks = new WeakMap<PooledConnection, Check>();
  readonly #entries: EntryList<PooledConnection>;
  readonly #validate: Validate;
  readonly #settings: HealthCheckSettings;
  readonly #clock: Clock;
  readonly #onTooSlow: () => void;

  /** @param onTooSlow is called when a check takes too long for its waiter to rely on */
  constructor(
    entries: EntryList<PooledConnection>,
    validate: Validate,
    settings: HealthCheckSettings,
    clock: Clock,
    onTooSlow: () => void,
  ) {
    this.#entries = entries;
    this.#validate = validate;
    this.#settings = settings;
    this.#clock = clock;
    this.#onTooSlow = onTooSlow;
  }

  /** How many checks a waiter relies on. */
  get expected(): number {
    return this.#expected.size;
  }

  /** Checks that began for a caller that has left count no more, the oldest first. */
  expectAtMost(waiting: number): void {
    for (let surplus = this.#expected.size - waiting; surplus > 0; surplus--) this.#expected.shift();
  }

  /** Whether an idle connection must be checked before it is leased. */
  isDue(connection: PooledConnection, nowMs: number): boolean {
    // The time of the turn may be older than a check that ended in it.
    return nowMs - connection.idleFromMs(nowMs) >= this.#settings.validateAfterIdleMs;
  }

  /**
   * Reserves a connection and asks the hook about it. The result counts only if the connection is reserved
   * still: it may have closed meanwhile. Until {@link HealthChecks.end} the check counts as under way.
   *
   * @param isWanted a caller waits for the connection; else the check is a keepalive
   */
  check(connection: PooledConnection, isWanted: boolean): Promise<CheckResult> {
    return outOfContext(async (): Promise<CheckResult> => {
      this.#entries.reserve(connection);
      // Unref'd: the callers that wait keep the process alive, and a check that they have left must not.
      if (!connection.resting) connection.rest(this.#clock.now());
      PooledSocket.markForReset(connection.socket);
      const check: Check = { settle: undefined, next: undefined, previous: undefined };
      this.#checks.set(connection, check);
      if (isWanted) this.#expected.push(check);
      const { socket, endpoint, route, uses } = connection;
      const { bytesWritten } = socket;
      const greeting = connection.takeGreeting();
      const verdict = await this.#judge(check, {
        socket,
        endpoint,
        route,
        isNew: uses === 0,
        // A copy: the hook may change its own, and the caller gets what the backend sent.
        ...(greeting && { greeting: copyOf(greeting) }),
      });
      if (verdict !== true || connection.state !== 'reserved')
        return { reason: 'invalid', error: typeof verdict === 'boolean' ? undefined : verdict };
      const wasSilent = withoutThrowing(() => socket.bytesWritten === bytesWritten) === true;
      const reason = connection.recycleChecked(greeting, !wasSilent);
      return { reason: reason === 'unsent' ? 'dirty' : reason };
    });
  }

  /** The result of a check has been acted on. */
  end(connection: PooledConnection): void {
    const check = this.#checks.get(connection);
    if (check !== undefined) this.#expected.remove(check);
    this.#checks.delete(connection);
  }

  /** Ends the check of a connection that closes: its timers must not stay. */
  stop(connection: PooledConnection): void {
    this.#checks.get(connection)?.settle?.(false);
  }

  /** Asks the hook, and waits for it no longer than `validateTimeoutMs`. */
  #judge(check: Check, shown: ConnectionToValidate): Promise<Verdict> {
    const { validateTimeoutMs } = this.#settings;
    const { endpoint } = shown;
    return new Promise((resolve) => {
      const settle = (verdict: Verdict): void => {
        limit.cancel();
        patience?.cancel();
        check.settle = undefined;
        resolve(verdict);
      };
      const limit = this.#clock.deadline(validateTimeoutMs, () => {
        const message = `validate did not answer within ${validateTimeoutMs} ms`;
        settle(new BrokerPoolError('TIMEOUT', message, { phase: 'validate', endpoint }));
      });
      const patience = this.#expected.includes(check)
        ? this.#clock.deadline(PATIENCE_MS, () => {
            if (this.#expected.remove(check)) this.#onTooSlow();
          })
        : undefined;
      check.settle = settle;
      void ask(this.#validate, shown).then(settle);
    });
  }
}

type Verdict = boolean | BrokerPoolError;

/**
 * Asks the hook. To throw is the same as to reject; hooks in JavaScript may return anything, and only `true`
 * is a yes.
 */
async function ask(validate: Validate, connection: ConnectionToValidate): Promise<Verdict> {
  const { endpoint } = connection;
  const failed = (message: string, cause?: unknown): BrokerPoolError =>
    new BrokerPoolError('VALIDATION_FAILED', message, { endpoint, cause });
  let answer: unknown;
  try {
    answer = await validate(connection);
  } catch (error) {
    return failed(`validate failed: ${error instanceof Error ? error.message : described(error)}`, error);
  }
  if (typeof answer === 'boolean') return answer;
  return failed(`validate must answer true or false, got ${described(answer)}`);
}
