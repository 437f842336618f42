import type { Timed } from '../../deadline-queue.js';
import type { Queued } from '../../fifo.js';
import type { Uint64 } from '../codec/frame-view.js';
import { LARGE_BYTES } from './choice.js';

/**
 * Where a request is. `queued`: it has no connection. `assigned`: it waits for its turn to be written.
 * `written`: it has an id, and its answer is owed. `settled`: its caller has the outcome.
 */
export type RequestState = 'queued' | 'assigned' | 'written' | 'settled';

/** How often a request is written at most, each time to another connection. */
const MOST_ATTEMPTS = 3;

/** A request from the call to its outcome. Few fields: thousands may be in flight. */
export class PendingRequest<Connection> implements Timed, Queued<PendingRequest<Connection>> {
  readonly payload: Uint8Array;
  readonly payloadProtocol: number;
  readonly timeoutMs: number;
  readonly settle: (outcome: Uint8Array | Promise<never>) => void;
  /** Noted once: the length becomes 0 if the caller transfers the memory of the payload. */
  readonly isLarge: boolean;
  /** `Infinity` until the turn ends in which the request was made. */
  startedMs = Infinity;
  traceparent = '';
  tracestate = '';
  /** Whether the request may be sent again when its connection dies before the answer. */
  isIdempotent = false;
  state: RequestState = 'queued';
  connection: Connection | undefined = undefined;
  id: Uint64 = 0;
  /** How often it has been written to a connection; 1 where none could be opened for it. */
  attempts = 0;
  previous: PendingRequest<Connection> | undefined = undefined;
  next: PendingRequest<Connection> | undefined = undefined;
  queue: object | undefined = undefined;
  dueMs = Infinity;
  queueIndex = -1;
  /** Takes its callback off the caller's signal. */
  stopListening: (() => void) | undefined = undefined;

  constructor(
    payload: Uint8Array,
    payloadProtocol: number,
    timeoutMs: number,
    settle: (outcome: Uint8Array | Promise<never>) => void,
  ) {
    this.payload = payload;
    this.payloadProtocol = payloadProtocol;
    this.timeoutMs = timeoutMs;
    this.settle = settle;
    this.isLarge = payload.length >= LARGE_BYTES;
  }

  /** Whether it may be written to another connection where its own has not delivered it. */
  get mayBeWritten(): boolean {
    return this.attempts < MOST_ATTEMPTS;
  }

  /** Whether it goes to another connection when its own dies: only where its caller allows to repeat it (S-62). */
  get isRepeatable(): boolean {
    return this.isIdempotent && this.mayBeWritten;
  }
}
