import type { Clock } from '../../clock.js';
import type { CloseReason } from '../close-reason.js';
import type { PooledConnection } from '../pooled-connection.js';
import { Backoff, LONGEST_PAUSE_MS } from './backoff.js';

/** How long an endpoint is kept on which the broker insists; it doubles up to {@link LONGEST_PAUSE_MS}. */
const FIRST_KEPT_MS = 100;
/**
 * A connection to a remembered endpoint that its backend ends within this time, in milliseconds, was of no
 * use: a stranger who listens there now may greet and hang up.
 */
const OF_USE_AFTER_MS = 1_000;
/** Many processes may doubt the same endpoint, and must not all ask the broker at the same moment. */
const JITTER = 0.5;

/** A pooled connection, as far as its end says something about its endpoint. */
export type EndedConnection = Pick<
  PooledConnection,
  'bornMs' | 'endpoint' | 'everReceived' | 'route' | 'uses'
>;

/**
 * Evidence against the remembered endpoint of a target. The endpoint is a hint: evidence removes it, so that the
 * next connect asks the broker. The broker _insists_ on an endpoint where it then names the same one. Asking again
 * at once would cost a Hello for each connection and bring the same answer, so further evidence does not remove the
 * endpoint for a while. Connects that no caller waits for pause during that time, as after a failed connect.
 */
export class EndpointDoubts {
  readonly #clock: Clock;
  readonly #forget: (endpoint: string) => void;
  readonly #spareBackoff: Backoff;
  /** Connections that close because the target was cleared: their end says nothing about the endpoint. */
  readonly #cleared = new WeakSet<EndedConnection>();
  #endedSoonInRow = 0;
  /** The endpoint that was forgotten last. */
  #doubted: string | undefined;
  #keptForMs = 0;
  #keptUntilMs = 0;

  /**
   * @param forget drops an endpoint from the cache
   * @param onSpareAllowed is called when {@link EndpointDoubts.forbidsSpare} ends
   */
  constructor(clock: Clock, forget: (endpoint: string) => void, onSpareAllowed: () => void) {
    this.#clock = clock;
    this.#forget = forget;
    this.#spareBackoff = new Backoff(clock, onSpareAllowed);
  }

  /**
   * Whether connections have ended soon after they were opened: the next one that no caller waits for would
   * too.
   */
  get forbidsSpare(): boolean {
    return this.#spareBackoff.pausing;
  }

  /**
   * Learns from how a connection ended. Evidence against its endpoint is that `validate` or a caller found it
   * invalid, that the backend never said a word, and that it was dialled from memory and ended before
   * it was of use, even if bytes came. One that was never leased and is dirty is of no use either: it would
   * be validated again and again.
   */
  onClosed(connection: EndedConnection, reason: CloseReason): void {
    if (this.#cleared.has(connection)) return;
    const { bornMs, endpoint, everReceived, route, uses } = connection;
    const ageMs = this.#clock.now() - bornMs;
    const ended = reason === 'stale' || reason === 'error';
    const wasNeverGood = uses === 0 && (ended || reason === 'dirty');
    const wasOfNoUse = route === 'hello-skip' && ageMs < OF_USE_AFTER_MS && (ended || wasNeverGood);
    const isEvidence = reason === 'invalid' || wasOfNoUse || (ended && !everReceived);
    if (ageMs >= LONGEST_PAUSE_MS) this.#forgiveSpares();
    else if (isEvidence || wasNeverGood) this.#onEndedSoon();
    if (!isEvidence || this.#isInsistedOn(endpoint)) return;
    this.#doubted = endpoint;
    this.#forget(endpoint);
  }

  /** The broker has named an endpoint. */
  onNamed(endpoint: string): void {
    if (endpoint !== this.#doubted) return this.#stopDoubting();
    const nowMs = this.#clock.now();
    // Several Hellos that ran at once are one answer.
    if (nowMs < this.#keptUntilMs) return;
    const isFirst = this.#keptForMs === 0 || nowMs > this.#keptUntilMs + LONGEST_PAUSE_MS;
    this.#keptForMs = isFirst ? FIRST_KEPT_MS : Math.min(this.#keptForMs * 2, LONGEST_PAUSE_MS);
    this.#keptUntilMs = nowMs + this.#keptForMs * (1 - JITTER * this.#clock.random());
  }

  /** Whether a connection was dialled from memory, and the broker does not insist on its endpoint. */
  isFromMemory({ route, endpoint }: EndedConnection): boolean {
    return route === 'hello-skip' && !this.#isInsistedOn(endpoint);
  }

  /** This connection closes because the target was cleared. */
  excuse(connection: EndedConnection): void {
    this.#cleared.add(connection);
  }

  /** Forgets all evidence. */
  reset(): void {
    this.#stopDoubting();
    this.#forgiveSpares();
  }

  /** The first one is replaced at once: it may be the only one. */
  #onEndedSoon(): void {
    this.#endedSoonInRow += 1;
    if (this.#endedSoonInRow > 1) this.#spareBackoff.onFailure();
  }

  #forgiveSpares(): void {
    this.#endedSoonInRow = 0;
    this.#spareBackoff.reset();
  }

  #isInsistedOn(endpoint: string): boolean {
    return endpoint === this.#doubted && this.#clock.now() < this.#keptUntilMs;
  }

  #stopDoubting(): void {
    this.#doubted = undefined;
    this.#keptForMs = 0;
    this.#keptUntilMs = 0;
  }
}
