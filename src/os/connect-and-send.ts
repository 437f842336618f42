import { systemClock } from '../clock.js';
import { isSwitchedOff } from '../process-warning.js';
import { errno, wouldBlock } from './errno.js';
import type { Binder, Native, SystemCalls } from './native.js';
import { addressOf, connectTo, mayHaveLongerName } from './socket.js';
import { SubmissionRing, type RingResult } from './submission-ring.js';

/** How {@link connectAndSend} ended; `sent` is what the send returned. */
export type SendAttempt =
  | { readonly descriptor: number; readonly sent: number }
  | { readonly descriptor: undefined; readonly syscall: 'socket' | 'connect'; readonly result: number };

/**
 * Opens a socket, connects and sends with nothing in between (V-21): in one system call where the kernel can,
 * in two right behind each other where not. Without a connection nothing is left open.
 */
export function connectAndSend(native: Native, endpoint: string, request: Uint8Array): SendAttempt {
  const { system } = native;
  const address = addressOf(endpoint);
  const descriptor = system.openSocket();
  if (descriptor < 0) return { descriptor: undefined, syscall: 'socket', result: descriptor };
  const ring = native.binder && ringOf(native.binder);
  let together = ring?.connectAndSend(system, descriptor, address, request);
  if (together !== undefined && mayHaveLongerName(endpoint, together.connected)) together = undefined;
  const connected = together?.connected ?? connectTo(system, descriptor, endpoint);
  if (ring !== undefined) ring.backlogFull = wouldBlock(connected);
  if (connected >= 0) return { descriptor, sent: together?.sent ?? system.send(descriptor, request) };
  system.close(descriptor);
  return { descriptor: undefined, syscall: 'connect', result: connected };
}

/** Within this time, or twice of it, an unused ring is closed again. */
const UNUSED_MS = 250;

/**
 * What a kernel, or whoever guards it, says that will not do this today nor tomorrow. All else, want of
 * descriptors for one, passes.
 */
const REFUSALS: ReadonlySet<number> = new Set(
  ['ENOSYS', 'EPERM', 'EACCES', 'EINVAL'].map((name) => -(errno[name] ?? 0)),
);

/**
 * The ring of the main thread: opened when first needed, closed when no connect has needed it for a while.
 */
class RingOfThread {
  /**
   * The last connect found a full backlog. Then there is no race to win, and the ring takes longer to say
   * EAGAIN.
   */
  backlogFull = false;
  readonly #binder: Binder;
  #ring: SubmissionRing | undefined;
  /** A kernel that does not let us is asked once. */
  #refused = isSwitchedOff('BROKER_POOL_IO_URING');
  #used = false;
  #looking = false;

  constructor(binder: Binder) {
    this.#binder = binder;
  }

  /** `undefined` where the kernel has done nothing. */
  connectAndSend(
    system: SystemCalls,
    descriptor: number,
    address: Uint8Array,
    request: Uint8Array,
  ): RingResult | undefined {
    if (this.backlogFull || this.#refused) return undefined;
    const ring = this.#open(system);
    const result = typeof ring === 'number' ? ring : ring.connectAndSend(descriptor, address, request);
    if (typeof result !== 'number') return result;
    this.#close();
    this.#refused = REFUSALS.has(result);
    return undefined;
  }

  #open(system: SystemCalls): SubmissionRing | number {
    this.#used = true;
    if (this.#ring !== undefined && !this.#ring.closed) return this.#ring;
    const ring = SubmissionRing.open(this.#binder, system);
    if (typeof ring === 'number') return ring;
    this.#ring = ring;
    if (!this.#looking) this.#lookAgain();
    return ring;
  }

  #lookAgain(): void {
    this.#used = false;
    this.#looking = true;
    systemClock.schedule(UNUSED_MS, () => {
      if (this.#used) return this.#lookAgain();
      this.#looking = false;
      this.#close();
    });
  }

  #close(): void {
    this.#ring?.close();
    this.#ring = undefined;
  }
}

/** A thread has one binder, and so one ring; tests have others. */
const rings = new WeakMap<Binder, RingOfThread>();

function ringOf(binder: Binder): RingOfThread {
  const known = rings.get(binder);
  if (known !== undefined) return known;
  const ring = new RingOfThread(binder);
  rings.set(binder, ring);
  return ring;
}
