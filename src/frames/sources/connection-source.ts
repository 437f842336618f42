import type { Socket } from 'node:net';
import type { BrokerPoolError, BrokerPoolFailure } from '../../errors.js';
import type { SessionTarget } from '../session-errors.js';

/** A connection that a session holds. */
export interface HeldConnection {
  readonly socket: Socket;
  readonly endpoint: string;
  /** Others wait for a connection that only its holders can give them. */
  readonly isWanted: boolean;
  /** Why its pool has closed it, where the pool has ended. */
  readonly endedBy?: BrokerPoolError | undefined;
  /** Takes the connection back, which owes no answer. */
  giveBack(): void;
  /** Closes the connection. With `isForeign` the program behind it does not speak the protocol. */
  destroy(isForeign: boolean): void;
}

/** Where a session's connections come from. */
export interface ConnectionSource {
  /** For error messages. */
  readonly target: SessionTarget;
  /** Other users wait for connections that the session does not need. */
  readonly isShared: boolean;
  /** How long a session holds a connection without requests, in milliseconds; up to twice that. */
  readonly idleMs: number;
  /** How long a session holds a connection at most while it has requests all the time, in milliseconds. */
  readonly holdMs: number;
  /**
   * Opens a connection. Rejects with `ABORTED` when the signal aborts, and with why connecting failed.
   *
   * @param timeoutMs the time for it in place of the source's own
   */
  open(signal: AbortSignal, timeoutMs?: number): Promise<HeldConnection>;
  /** While `open` is under way: the `TIMEOUT` of a caller that has waited for so long, where the source knows why. */
  explainWait?(timeoutMs: number): BrokerPoolFailure | undefined;
}
