import { afterThisCode } from '../../clock.js';
import type { Route } from '../../negotiation/job.js';
import { wouldBlock } from '../../os/errno.js';
import { descriptorOf, socketOverDescriptor } from '../../os/socket-handle.js';
import { BrokerAnswer, type LeasedConnection, type LeaseOwner } from '../../pool/lease.js';
import { PooledSocket } from '../../os/pooled-socket.js';
import type { SocketEnd, SocketProblem, SocketWatcher } from '../../os/socket-watcher.js';
import type { TargetOptions } from '../../pool/options.js';
import type { ClaimWords } from '../claim-words.js';
import type { ConnectionInfo } from '../protocol.js';

/** How this thread claims a connection. */
export interface Claim {
  readonly words: ClaimWords;
  /** No claims while one of them is not 0. */
  readonly refusals: Int32Array;
  /** As in `DescriptorCalls`; `undefined` in a thread without the C library. */
  readonly peek: ((descriptor: number) => number) | undefined;
}

/**
 * A connection of a shared pool in the thread that uses it: a socket over a duplicate of the descriptor.
 * Making one costs more than the rest of a lease, so the socket stays for the next lease of the same
 * connection. Between leases it must not read: the bytes belong to another caller.
 */
export class ClientConnection implements LeasedConnection, SocketWatcher {
  readonly id: number;
  socket: PooledSocket;
  readonly endpoint: string;
  readonly route: Route;
  readonly answer: BrokerAnswer | undefined;
  readonly owner: LeaseOwner;
  isLeased = false;
  /** True between the leases of this thread. */
  mustNotRead = false;
  #ended = false;
  #detached = false;
  #retiring = false;
  /** The acquire that led to the current lease, or to the last one. */
  acquireId: number;
  /** Given back in this turn of the event loop, so that bytes of another conversation cannot have been noticed yet. */
  isFresh = false;
  readonly #claim: Claim | undefined;
  /** The number of its last release. */
  #turn = 0;
  readonly #serviceName: string | undefined;
  readonly #wantedVersion: string | undefined;

  /**
   * Begins the first lease. Owns the descriptor from here on, unless it throws.
   *
   * @param claim `undefined` where this thread may claim nothing
   * @param target which the acquire names: a claim must name the same
   */
  constructor(
    id: number,
    acquireId: number,
    descriptor: number,
    info: ConnectionInfo,
    claim: Claim | undefined,
    { serviceName, wantedVersion }: TargetOptions,
    owner: LeaseOwner,
  ) {
    this.id = id;
    this.acquireId = acquireId;
    this.endpoint = info.endpoint;
    this.route = info.route;
    this.answer = info.answer && new BrokerAnswer(info.answer.negotiated, info.answer.handoffToken);
    this.owner = owner;
    this.#claim = claim;
    this.#serviceName = serviceName;
    this.#wantedVersion = wantedVersion;
    this.socket = PooledSocket.adopt(socketOverDescriptor(descriptor), this);
  }

  destroy(): void {
    PooledSocket.close(this.socket);
    this.answer?.wipeToken();
  }

  wake(acquireId: number): void {
    this.acquireId = acquireId;
    this.socket.ref();
    this.mustNotRead = false;
    PooledSocket.resumeReading(this.socket);
  }

  /**
   * Ends a lease, or says why the connection cannot go to another caller; `'unsent'`: not before its last
   * bytes have left.
   */
  rest(): SocketProblem | 'unsent' | undefined {
    if (this.#ended) return 'stale';
    if (PooledSocket.needsReset(this.socket)) {
      const next = PooledSocket.renew(this.socket);
      if (typeof next === 'string') return next;
      this.socket = next;
    }
    this.mustNotRead = true;
    PooledSocket.holdReading(this.socket);
    this.socket.unref();
    return undefined;
  }

  /** Offers a connection that rests to this thread's next caller. Returns the turn, or 0: it offers nothing. */
  offer(): number {
    if (this.#claim === undefined) return 0;
    this.#turn = this.#claim.words.offer(this.#turn);
    this.isFresh = true;
    return this.#turn;
  }

  /** Whether the pool has not taken it since this thread gave it back. */
  get isOffered(): boolean {
    return this.#claim?.words.isOffered(this.#turn) === true;
  }

  /** Takes it for a caller of this thread who asks for such a target. False where it must ask the pool. */
  tryClaim({ serviceName, wantedVersion }: TargetOptions): boolean {
    if (this.#claim === undefined || !this.isOffered) return false;
    if (serviceName !== this.#serviceName || wantedVersion !== this.#wantedVersion) return false;
    const { words, refusals, peek } = this.#claim;
    for (let index = 0; index < refusals.length; index++)
      if (Atomics.load(refusals, index) !== 0) return false;
    if (!words.isAllowed(this.#turn)) return false;
    if (!this.isFresh && !isSilent(peek?.(descriptorOf(this.socket)))) return false;
    return words.take(this.#turn);
  }

  /** Gives the connection to its holder for good. */
  detach(): void {
    this.#detached = true;
    PooledSocket.detach(this.socket);
  }

  /** Closes a detached connection as soon as it is at rest. */
  retire(): void {
    this.#retiring = this.#detached;
    if (PooledSocket.isAtRest(this.socket)) this.owner.onDestroy(this, 'destroyed');
  }

  onRest(): void {
    // Not in the middle of its holder's work.
    if (this.#retiring) afterThisCode(() => this.retire());
  }

  onBytes(): void {
    PooledSocket.markForReset(this.socket);
  }

  onEnd(): void {
    // The holder of a detached socket may end its side.
    this.#ended ||= !this.#detached || !this.socket.writableEnded;
  }

  beforeClose(): void {}

  onDeath(end: SocketEnd): void {
    // The holder of a detached connection may close it at any time.
    const isHolders = this.#detached && !this.#ended && end === 'stale';
    this.owner.onDestroy(this, isHolders ? 'destroyed' : end);
  }
}

/** Bytes that have come since a release are another conversation's: the pool finds them, and closes the connection. */
function isSilent(peeked: number | undefined): boolean {
  return peeked !== undefined && wouldBlock(peeked);
}
