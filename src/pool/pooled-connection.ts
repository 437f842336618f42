import { inspect } from 'node:util';
import { afterThisCode, monotonicNowMs, type CachedTime } from '../clock.js';
import type { Route } from '../negotiation/job.js';
import { printableEndpoint } from '../os/errno.js';
import { PooledSocket } from '../os/pooled-socket.js';
import { takeUnread, withoutThrowing } from '../os/socket-handle.js';
import type { SocketEnd, SocketWatcher } from '../os/socket-watcher.js';
import type { SharedWith } from './shared-with.js';
import type { CloseReason } from './close-reason.js';
import type { NewConnection } from './connecting/connect-request.js';
import type { EntryState, ListEntry } from './containers.js';
import { BrokerAnswer, type LeaseOwner } from './lease.js';

/** The fields that rarely differ between connections: idle connections share one object, which never changes. */
interface SharedFields {
  readonly owner: LeaseOwner;
  readonly endpoint: string;
  readonly route: Route;
  /** `undefined` after a Hello-skip. */
  readonly answer: BrokerAnswer | undefined;
  readonly closeOnRelease: CloseReason | undefined;
  readonly sharedWith: SharedWith | undefined;
}

/** By pool, the first fields of the latest connection without an answer of the broker. */
const latestUnanswered = new WeakMap<LeaseOwner, SharedFields>();

/**
 * Connections to which `validate` has written before the first lease: what arrives from then on is no greeting. Not a
 * field: few connections are among them.
 */
const spokenTo = new WeakSet<PooledConnection>();

/** The zero of the times in fields: on the clock's own scale they do not fit once the system runs for 25 days. */
const ZERO_MS = Math.floor(monotonicNowMs());

/**
 * One connection in the pool, with a new socket object for each caller that has used the old one.
 *
 * An idle connection is little else than its memory, so there are few fields, and times are whole milliseconds below
 * 2 ** 31: V8 keeps fractions, larger numbers and `Infinity` in an object of their own each.
 */
export class PooledConnection implements ListEntry<PooledConnection>, SocketWatcher {
  readonly id: number;
  socket: PooledSocket;
  readonly #bornMs: number;
  /** `undefined` if never. */
  readonly #expiresAtMs: number | undefined;
  state: EntryState = 'new';
  newer: PooledConnection | undefined = undefined;
  older: PooledConnection | undefined = undefined;
  /** How often it has been leased. */
  uses = 0;
  /**
   * One field with three meanings, so that an idle connection stays small. A `CachedTime`: when its lease began, until
   * its time is recorded or the turn ends in which it becomes idle. A number: since when it rests, in milliseconds
   * after `ZERO_MS`. `undefined`: it has not been leased yet, or the time of its lease is recorded.
   */
  since: CachedTime | number | undefined = undefined;
  /** Replaced, not changed: other connections may have the same object. */
  #shared: SharedFields;

  /** @param expiresAtMs may be `Infinity` */
  constructor(id: number, opened: NewConnection, owner: LeaseOwner, bornMs: number, expiresAtMs: number) {
    this.id = id;
    const { socket, endpoint, route, negotiated, handoffToken } = opened;
    let shared = negotiated === undefined ? latestUnanswered.get(owner) : undefined;
    if (shared?.endpoint !== endpoint || shared.route !== route) {
      const answer = negotiated && new BrokerAnswer(negotiated, handoffToken);
      shared = { owner, endpoint, route, answer, closeOnRelease: undefined, sharedWith: undefined };
      if (answer === undefined) latestUnanswered.set(owner, shared);
    }
    this.#shared = shared;
    // Rounded last: V8 stores a difference of large numbers as one, even where it is small, until it is rounded.
    this.#bornMs = Math.floor(bornMs - ZERO_MS);
    this.#expiresAtMs = expiresAtMs === Infinity ? undefined : Math.ceil(expiresAtMs - ZERO_MS);
    // Last: it may have died meanwhile, and says so at once.
    this.socket = PooledSocket.adopt(socket, this);
  }

  get bornMs(): number {
    return this.#bornMs + ZERO_MS;
  }

  /** When its lifetime is over, on the monotonic clock; `Infinity` if never. */
  get expiresAtMs(): number {
    return this.#expiresAtMs === undefined ? Infinity : this.#expiresAtMs + ZERO_MS;
  }

  get owner(): LeaseOwner {
    return this.#shared.owner;
  }

  get endpoint(): string {
    return this.#shared.endpoint;
  }

  get route(): Route {
    return this.#shared.route;
  }

  get answer(): BrokerAnswer | undefined {
    return this.#shared.answer;
  }

  /** Why it closes as soon as it comes back. */
  get closeOnRelease(): CloseReason | undefined {
    return this.#shared.closeOnRelease;
  }

  set closeOnRelease(closeOnRelease: CloseReason | undefined) {
    this.#shared = { ...this.#shared, closeOnRelease };
  }

  get sharedWith(): SharedWith | undefined {
    return this.#shared.sharedWith;
  }

  set sharedWith(sharedWith: SharedWith | undefined) {
    this.#shared = { ...this.#shared, sharedWith };
  }

  /** A lease begins. The socket keeps the process alive from now on. */
  use(maxUses: number, leasedAt: CachedTime): void {
    this.uses += 1;
    const { since } = this;
    // A new object in an old one is a note for the collector, which takes longer than this question.
    if (since !== leasedAt) this.since = leasedAt;
    if (this.uses >= maxUses) this.closeOnRelease ??= 'uses';
    if (typeof since === 'number') this.socket.ref();
  }

  /**
   * Makes it ready for another caller, or says why that cannot be; `'unsent'`: not before its last bytes have
   * left.
   */
  recycle(): CloseReason | 'unsent' | undefined {
    const { closeOnRelease } = this.#shared;
    if (closeOnRelease !== undefined) return closeOnRelease;
    if (!PooledSocket.needsReset(this.socket)) return undefined;
    const next = PooledSocket.renew(this.socket);
    if (typeof next === 'string') return next;
    this.socket = next;
    // A caller may have unreferenced it. A connection that rests has had a keepalive, and no caller.
    if (typeof this.since !== 'number') this.socket.ref();
    return undefined;
  }

  /**
   * Takes the backend's greeting off the socket while `validate` is asked before the first lease: it belongs to the
   * first caller, and would be mistaken for the answer to a ping.
   */
  takeGreeting(): Uint8Array | undefined {
    return this.uses > 0 ? undefined : takeUnread(this.socket);
  }

  /**
   * As {@link PooledConnection.recycle}, after `validate` was asked. Before the first lease, bytes that have
   * arrived while `validate` wrote nothing belong to the greeting as well.
   *
   * @param greeting what {@link PooledConnection.takeGreeting} has returned
   * @param wrote whether `validate` has written
   */
  recycleChecked(greeting: Uint8Array | undefined, wrote: boolean): CloseReason | 'unsent' | undefined {
    if (wrote) spokenTo.add(this);
    const late = spokenTo.has(this) ? undefined : withoutThrowing(() => this.takeGreeting());
    const reason = this.recycle();
    if (reason !== undefined) return reason;
    if (late !== undefined) this.socket.unshift(late);
    if (greeting !== undefined) this.socket.unshift(greeting);
    return undefined;
  }

  /**
   * The turn in which it became idle has ended: it counts as idle since then, and does not keep a finished program
   * alive.
   */
  rest(nowMs: number): void {
    // Rounded up it would lie in the future.
    this.since = Math.floor(nowMs - ZERO_MS);
    this.socket.unref();
  }

  /** Closes the socket, whether or not it is dead already. */
  destroy(): void {
    PooledSocket.close(this.socket);
    this.answer?.wipeToken();
  }

  /** The text that consoles show, also for a printed socket: without the token. */
  [inspect.custom](): string {
    return `PooledConnection ${this.id} to ${printableEndpoint(this.endpoint)} (${this.route}, ${this.state})`;
  }

  /** Whether the backend has ever said a word. */
  get everReceived(): boolean {
    return PooledSocket.hasRead(this.socket) || this.sharedWith?.everReceived === true;
  }

  /** Whether {@link PooledConnection.rest} has been called since its last lease. */
  get resting(): boolean {
    return typeof this.since === 'number';
  }

  /** Since when it is idle. One that is leased, or became idle in this turn, counts as idle from now on. */
  idleFromMs(nowMs: number): number {
    return typeof this.since === 'number' ? Math.min(this.since + ZERO_MS, nowMs) : nowMs;
  }

  /** Bytes arrived. */
  onBytes(): void {
    // Before the first lease the bytes are a backend's greeting, which belongs to the first caller.
    if (this.uses === 0 && !spokenTo.has(this)) return;
    PooledSocket.markForReset(this.socket);
    if (this.state === 'idle') this.owner.onDestroy(this, 'dirty');
  }

  /** Gives the connection to its holder for good. Its last lease is not counted against `maxUses` any more. */
  detach(): void {
    if (this.closeOnRelease === 'uses') this.closeOnRelease = undefined;
    if (!this.sharedWith?.isLeasedElsewhere) PooledSocket.detach(this.socket);
  }

  /** A leased connection closes as soon as it comes back. */
  closeWhenBack(reason: CloseReason): void {
    this.closeOnRelease ??= reason;
    this.sharedWith?.forbidClaims();
  }

  /** Closes a detached connection as soon as it is at rest. */
  retire(reason: CloseReason): void {
    this.closeOnRelease ??= reason;
    if (this.sharedWith?.isLeasedElsewhere) this.sharedWith.retire();
    else if (PooledSocket.isAtRest(this.socket)) this.owner.onDestroy(this, this.closeOnRelease);
  }

  onRest(): void {
    // Not in the middle of its holder's work: an HTTP agent unreferences a socket before it puts it away.
    afterThisCode(() => {
      if (this.state !== 'detached') return;
      if (this.closeOnRelease === undefined) this.owner.onRest?.();
      else this.retire(this.closeOnRelease);
    });
  }

  /** Detached, and its holder in this thread uses it for nothing at present. */
  get isAtRest(): boolean {
    return (
      this.state === 'detached' && !this.sharedWith?.isLeasedElsewhere && PooledSocket.isAtRest(this.socket)
    );
  }

  /** The backend or the caller has ended its side. A caller may still read what came before. */
  onEnd(): void {
    // The holder of a detached socket may end its side.
    if (this.state === 'detached' && this.socket.writableEnded) return;
    this.closeOnRelease ??= 'stale';
    if (this.state === 'idle' || this.state === 'reserved') this.owner.onDestroy(this, 'stale');
  }

  get mustNotRead(): boolean {
    return this.sharedWith?.isLeasedElsewhere === true;
  }

  beforeClose(): void {
    this.sharedWith?.onClosing();
  }

  /** The socket is closed: a caller that has it on lease can do no more with it than give it back. */
  onDeath(end: SocketEnd): void {
    if (this.state === 'removed') return;
    if (this.state === 'new') this.closeOnRelease ??= end;
    // The holder of a detached connection may close it at any time.
    else if (this.state === 'detached')
      this.owner.onDestroy(this, end === 'error' ? end : (this.closeOnRelease ?? 'destroyed'));
    else this.owner.onDestroy(this, end);
  }
}
