import type { Socket } from 'node:net';
import type { BrokerPoolError } from '../../errors.js';
import type { Fifo } from '../../fifo.js';
import { hasWrittenNothing, isBrokenPipe, writeTogether } from '../../os/write-together.js';
import { PROTOCOL_VERSION } from '../../wire/envelope.js';
import type { Uint64 } from '../codec/frame-view.js';
import { FrameWriter } from '../codec/frame-writer.js';
import { unwritableError } from '../session-errors.js';
import type { PendingRequest } from './pending-request.js';
import type { RequestTable } from './request-table.js';

/** Bytes that the socket gets at once. Then the requests wait until the kernel has them. */
const WRITE_BYTES = 64 * 1024;

/** Writes the requests of one connection, and knows which of them its backend has not got when it is lost. */
export class RequestWriter<Connection> {
  readonly #socket: Socket;
  readonly #table: RequestTable<PendingRequest<Connection>>;
  readonly #onUnwritable: (request: PendingRequest<Connection>, error: BrokerPoolError) => void;
  readonly #writer = new FrameWriter();
  #lastId: Uint64 = 0;
  /** The requests of a write that has delivered nothing. */
  #refused: ReadonlySet<PendingRequest<Connection>> | undefined;

  /** @param onUnwritable is called with a request that cannot be put into a frame */
  constructor(
    socket: Socket,
    table: RequestTable<PendingRequest<Connection>>,
    onUnwritable: (request: PendingRequest<Connection>, error: BrokerPoolError) => void,
  ) {
    this.#socket = socket;
    this.#table = table;
    this.#onUnwritable = onUnwritable;
  }

  /** Writes the first requests. Returns whether the socket takes more now. */
  write(unsent: Fifo<PendingRequest<Connection>>): boolean {
    const writer = this.#writer;
    const written: PendingRequest<Connection>[] = [];
    while (writer.bytes < WRITE_BYTES) {
      const request = unsent.shift();
      if (request === undefined) break;
      this.#encode(request);
      written.push(request);
    }
    writeTogether(this.#socket, writer.take());
    if (hasWrittenNothing(this.#socket)) this.#refused = new Set(written);
    return this.#refused === undefined && !this.#socket.writableNeedDrain;
  }

  /**
   * Whether the connection has failed by `reason` before the last byte of a written request was delivered. A backend
   * executes no such request. Where a part of a write may have been delivered, only its last request is known to be
   * incomplete.
   */
  hasMissed(request: PendingRequest<Connection>, reason: unknown): boolean {
    if (this.#refused !== undefined) return this.#refused.has(request);
    return request.id === this.#lastId && isBrokenPipe(reason);
  }

  #encode(request: PendingRequest<Connection>): void {
    const { payload, payloadProtocol, traceparent, tracestate } = request;
    const requestId = this.#table.add(request);
    try {
      this.#writer.add({
        envelopeVersion: PROTOCOL_VERSION,
        payloadProtocol,
        payload,
        requestId,
        traceparent,
        tracestate,
      });
    } catch (error) {
      this.#table.take(requestId);
      // Any error, also one of another kind: a request that is neither sent nor failed would keep its session from
      // closing.
      return this.#onUnwritable(request, unwritableError(error));
    }
    this.#lastId = requestId;
    request.state = 'written';
    request.attempts++;
  }
}
