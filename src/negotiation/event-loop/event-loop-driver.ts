import { afterThisCode, type Clock } from '../../clock.js';
import type { Native } from '../../os/native.js';
import { abandonedFailure } from '../connect-failures.js';
import type { SocketMaker } from '../sockets/dial.js';
import { EventLoopNegotiation } from './event-loop-negotiation.js';
import type { Driver, DriverName, Job, Outcome } from '../job.js';

/**
 * The event-loop driver: the same exchanges on the event loop. It serves all short negotiations, callers that
 * connect once, and every job where descriptors cannot cross threads (Windows) or the C library is out of
 * reach.
 *
 * Given `native` it connects and sends at once (V-21) and dials backends on the spot; without, the request
 * follows the connect in a later turn of the event loop, and a registered broker may sleep 5 ms in between.
 */
export class EventLoopDriver implements Driver {
  readonly name: DriverName;
  readonly #clock: Clock;
  readonly #native: Native | undefined;
  readonly #background: boolean;
  readonly #makeSocket: SocketMaker | undefined;
  /**
   * An array: a table of a `Set` that has been outgrown points to the next one, so that one table in the old
   * generation keeps all later ones, with their negotiations and sockets, until a full collection.
   */
  readonly #running: EventLoopNegotiation[] = [];
  #closed = false;

  /**
   * @param background jobs do not keep the process alive, but for a second at most for the broker's sake
   * @param makeSocket makes the socket of a backend that is dialled on the spot
   */
  constructor(clock: Clock, native: Native | undefined, background = false, makeSocket?: SocketMaker) {
    this.name = native === undefined ? 'event-loop-without-ffi' : 'event-loop';
    this.#clock = clock;
    this.#native = native;
    this.#background = background;
    this.#makeSocket = makeSocket;
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    if (this.#closed) {
      afterThisCode(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    const negotiation = new EventLoopNegotiation(
      job,
      this.#clock,
      this.#native,
      this.#background,
      this.#makeSocket,
      (outcome) => {
        // The last one moves to the index of the one that leaves.
        const last = this.#running.pop();
        if (last !== undefined && last !== negotiation) {
          last.index = negotiation.index;
          this.#running[last.index] = last;
        }
        settle(outcome);
      },
    );
    negotiation.index = this.#running.push(negotiation) - 1;
    negotiation.begin();
    return () => negotiation.release();
  }

  /** Does nothing: the event loop runs already. */
  warm(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const negotiation of Array.from(this.#running)) negotiation.release();
    return Promise.resolve();
  }
}
