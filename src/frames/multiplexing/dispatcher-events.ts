import type { BrokerPoolError } from '../../errors.js';
import type { Request } from './session-connection.js';

/** Outcomes of requests, for the session. */
export interface DispatcherEvents {
  onAnswer(request: Request, payload: Uint8Array): void;
  /** A request is over without an answer. */
  onFailure(request: Request, error: BrokerPoolError): void;
  /** A connection died while a request was on it that is not repeated by itself. */
  onLost(request: Request, error: BrokerPoolError): boolean;
  /** Requests have left. */
  onQuieter(): void;
}
