import type { BrokerPoolError } from '../../errors.js';
import type { PendingRequest } from './pending-request.js';

/** News of a connection for its session. None comes while a call of the session is under way. */
export interface ConnectionEvents<Connection> {
  /** The answer to a request; several may come one after the other. */
  onAnswer(request: PendingRequest<Connection>, payload: Uint8Array): void;
  /** A request cannot be written as it is, or its answer is invalid: it is not repeated. */
  onFailure(request: PendingRequest<Connection>, error: BrokerPoolError): void;
  /** Answers have come, or bytes have left: there may be room for requests. */
  onProgress(connection: Connection): void;
  /** Whether requests are in flight on this connection only. */
  isOnlyBusy(connection: Connection): boolean;
  /** A frame for which no request waits. */
  onUnasked(): void;
  /** The connection is dead: `owed` have been written to it; `unsent` have not, or not to their last byte. */
  onLost(
    connection: Connection,
    owed: PendingRequest<Connection>[],
    unsent: PendingRequest<Connection>[],
    error: BrokerPoolError,
  ): void;
}
