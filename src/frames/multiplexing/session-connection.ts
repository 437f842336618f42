import { afterPromises, afterThisCode } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import { Fifo } from '../../fifo.js';
import { FrameKind } from '../../wire/envelope.js';
import { FrameReader } from '../codec/frame-reader.js';
import type { FrameView } from '../codec/frame-view.js';
import { connectionClosedError, connectionFailedError, malformedAnswerError } from '../session-errors.js';
import type { HeldConnection } from '../sources/connection-source.js';
import { problemOf } from './answer-problem.js';
import { LARGE_BYTES, type Candidate } from './choice.js';
import type { ConnectionEvents } from './connection-events.js';
import { ownPayload } from './own-payload.js';
import type { PendingRequest } from './pending-request.js';
import { ABANDONED, RequestTable } from './request-table.js';
import { RequestWriter } from './request-writer.js';

export type Request = PendingRequest<SessionConnection>;

/** The fewest answers that are worth a write of their own. */
const FEWEST_ANSWERS = 4;

/** One connection with many requests in flight: the adapter between a socket and the {@link RequestTable}. */
export class SessionConnection implements Candidate {
  readonly #held: HeldConnection;
  readonly #events: ConnectionEvents<SessionConnection>;
  readonly #maxInFlight: number;
  readonly #reader = new FrameReader(ownPayload);
  readonly #table = new RequestTable<Request>();
  readonly #writer: RequestWriter<SessionConnection>;
  readonly #unsent = new Fifo<Request>();
  #largeRequests = 0;
  /** How many frames are read before the next pause. */
  #framesToPause = Infinity;
  #isFlushing = false;
  #isBlocked = false;
  #isOver = false;
  /** When it was opened, on the monotonic clock. */
  readonly sinceMs: number;
  /** Whether the connection has carried a request since the session last looked. */
  wasUsed = true;
  /** Whether the connection takes no further request, and goes back when no caller waits. */
  isRetiring = false;

  constructor(
    held: HeldConnection,
    maxInFlight: number,
    sinceMs: number,
    events: ConnectionEvents<SessionConnection>,
  ) {
    this.sinceMs = sinceMs;
    this.#held = held;
    this.#events = events;
    this.#maxInFlight = maxInFlight;
    this.#writer = new RequestWriter(held.socket, this.#table, (request, error) => {
      this.#forgetSize(request);
      events.onFailure(request, error);
      // After the write, which goes on: with no requests left, the session would give the connection back.
      afterPromises(this.#onRoom);
    });
    held.socket
      .on('data', this.#onData)
      .on('drain', this.#onDrain)
      .on('error', this.#onError)
      .on('end', this.#onEnd)
      .on('close', this.#onEnd);
    // A probe before the session leaves the socket paused. Unref'd: only requests keep the process alive.
    held.socket.resume().unref();
  }

  get endpoint(): string {
    return this.#held.endpoint;
  }

  get isWanted(): boolean {
    return this.#held.isWanted;
  }

  get inFlight(): number {
    return this.#table.size + this.#unsent.length;
  }

  get abandoned(): number {
    return this.#table.abandoned;
  }

  /** Requests whose callers wait. */
  get waiting(): number {
    return this.inFlight - this.abandoned;
  }

  /** Abandoned requests take up places, for the backend still works on them. */
  get isFull(): boolean {
    return this.isRetiring || this.inFlight >= this.#maxInFlight || this.isStuck;
  }

  /**
   * Half of the places are taken up by abandoned requests: the backend does not answer any more. The connection
   * takes no further request, and is closed when no caller waits.
   */
  get isStuck(): boolean {
    return this.abandoned * 2 >= this.#maxInFlight;
  }

  get isSlow(): boolean {
    const { writableLength } = this.#held.socket;
    return this.#largeRequests > 0 || Math.max(writableLength, this.#reader.missingBytes) >= LARGE_BYTES;
  }

  /** Takes a request over; it is written with all others of this turn. */
  send(request: Request): void {
    if (this.waiting === 0) this.#held.socket.ref();
    this.wasUsed = true;
    request.state = 'assigned';
    request.connection = this;
    if (request.isLarge) this.#largeRequests++;
    this.#unsent.push(request);
    this.#flushSoon();
  }

  /** A caller has given up. An unsent request is not sent; the answer to a sent one is dropped when it comes. */
  giveUp(request: Request): void {
    this.#forgetSize(request);
    if (request.state === 'assigned') this.#unsent.remove(request);
    else this.#table.abandon(request.id);
    if (this.waiting === 0) this.#held.socket.unref();
  }

  /** Gives the connection back; closes it where an answer is owed, for that would reach the next user (S-55). */
  giveBack(): void {
    const isClean = this.inFlight === 0 && this.#reader.unreadBytes === 0;
    this.#leave();
    if (isClean) this.#held.giveBack();
    else this.#held.destroy(false);
  }

  /** Closes the connection and returns all requests whose callers wait. */
  close(): Request[] {
    const waiting = [...this.#table.takeAll(), ...this.#unsent.takeAll()];
    this.#leave();
    this.#held.destroy(false);
    return waiting;
  }

  readonly #onData = (piece: Uint8Array): void => {
    // A plain `Uint8Array`: views of a Buffer cost twice as much.
    this.#reader.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.length));
    // A backend that has answered everything waits until this session has read everything. So the callers of the
    // first half of the answers get their turn before the second half is read: what they ask keeps it busy.
    const half = this.inFlight >> 1;
    this.#framesToPause = half >= FEWEST_ANSWERS && this.#events.isOnlyBusy(this) ? half : Infinity;
    this.#readOn();
  };

  readonly #readOn = (): void => {
    try {
      while (!this.#isOver) {
        const frame = this.#reader.read();
        if (frame === undefined) break;
        this.#onFrame(frame);
        if (--this.#framesToPause === 0 && this.#reader.unreadBytes > 0) return this.#pause();
      }
    } catch (error) {
      if (!(error instanceof BrokerPoolError)) throw error;
      this.#fail(error, true);
    }
    this.#onRoom();
  };

  /** Callers have their outcomes: others may come. */
  readonly #onRoom = (): void => {
    if (this.#isOver) return;
    if (this.waiting === 0) this.#held.socket.unref();
    this.#events.onProgress(this);
  };

  /** Reads on when the callers have had their turn. */
  #pause(): void {
    this.#reader.keepUnread();
    this.#events.onProgress(this);
    afterThisCode(() =>
      afterPromises(() => {
        this.#flush();
        this.#readOn();
      }),
    );
  }

  #onFrame(frame: FrameView): void {
    // S-45: a frame that no request waits for hurts none. An event is never an answer.
    const request = frame.kind === FrameKind.EVENT ? undefined : this.#table.take(frame.requestId);
    if (request === undefined) return this.#events.onUnasked();
    const isLate = request === ABANDONED;
    const problem = problemOf(frame, isLate ? frame.payloadProtocol : request.payloadProtocol);
    if (isLate) this.#events.onUnasked();
    else this.#forgetSize(request);
    if (problem !== undefined) {
      const error = malformedAnswerError(frame.requestId, problem);
      if (!isLate) this.#events.onFailure(request, error);
      this.#fail(error, true);
    } else if (!isLate) this.#events.onAnswer(request, frame.payload);
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#isBlocked) return;
    this.#isFlushing = true;
    afterPromises(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    // Nothing leaves a destroyed socket: its 'close' sends the requests to another connection.
    const { socket } = this.#held;
    while (!this.#isOver && !this.#isBlocked && !socket.destroyed && this.#unsent.length > 0)
      this.#isBlocked = !this.#writer.write(this.#unsent);
  };

  readonly #onDrain = (): void => {
    this.#isBlocked = false;
    this.#flush();
  };

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#fail(connectionFailedError(error), false);
  };

  readonly #onEnd = (): void => {
    this.#fail(this.#held.endedBy ?? this.#reader.endOfInput() ?? connectionClosedError(), false);
  };

  /** Fails exactly the requests that are in flight on this connection (S-48). */
  #fail(error: BrokerPoolError, isForeign: boolean): void {
    if (this.#isOver) return;
    const owed: Request[] = [];
    const missed: Request[] = [];
    for (const request of this.#table.takeAll()) {
      const isMissed = request.mayBeWritten && this.#writer.hasMissed(request, error.cause);
      (isMissed ? missed : owed).push(request);
    }
    const unsent = [...missed, ...this.#unsent.takeAll()];
    this.#leave();
    this.#held.destroy(isForeign);
    this.#events.onLost(this, owed, unsent, error);
  }

  #leave(): void {
    this.#isOver = true;
    this.#held.socket
      .off('data', this.#onData)
      .off('drain', this.#onDrain)
      .off('error', this.#onError)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd);
  }

  #forgetSize(request: Request): void {
    if (request.isLarge) this.#largeRequests--;
  }
}
