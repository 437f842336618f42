/**
 * Connect and send in one system call, by io_uring (Linux 6.12 and later), and the one place that decides
 * whether it is used. Only `connectAndSend` in socket.ts knows {@link ringOf}; without a ring it makes the two
 * calls one after the other.
 *
 * Optional. To remove it: delete this file, submission-ring.ts, test/os/submission-ring.test.ts and
 * test/os/ring-faults.test.ts; delete the lines that name `ring` or `together` in socket.ts; let `hasRing` in
 * test/helpers/ring.ts return false. `BROKER_POOL_IO_URING` then has no effect. Up to a quarter of all Hellos then
 * wait 5 ms for the broker (V-21).
 */
import { systemClock } from '../clock.js';
import { isSwitchedOff } from '../process-warning.js';
import { errno, wouldBlock } from './errno.js';
import type { Binder, Native, SystemCalls } from './native.js';
import { SubmissionRing, type RingResult } from './submission-ring.js';

/** A ring is closed when it was not used for this time, at the latest after twice this time. */
const UNUSED_MS = 250;

/** Errors that mean io_uring will never work here. Others pass, a shortage of descriptors for example. */
const PERMANENT_ERRORS: ReadonlySet<number> = new Set(
  ['ENOSYS', 'EPERM', 'EACCES', 'EINVAL'].map((name) => -(errno[name] ?? 0)),
);

/** The ring of a thread: opened when first needed, closed when no connect has needed it for a while. */
class ThreadRing {
  readonly #binder: Binder;
  #ring: SubmissionRing | undefined;
  /** Also set by the first permanent error: the kernel is asked once. */
  #isForbidden = isSwitchedOff('BROKER_POOL_IO_URING');
  #isBacklogFull = false;
  #isUsed = false;
  #isWatched = false;

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
    if (this.#isBacklogFull || this.#isForbidden) return undefined;
    const ring = this.#open(system);
    const result = typeof ring === 'number' ? ring : ring.connectAndSend(descriptor, address, request);
    if (typeof result !== 'number') return result;
    this.#close();
    this.#isForbidden = PERMANENT_ERRORS.has(result);
    return undefined;
  }

  /**
   * Takes the result of each connect, with or without the ring. While the backlog is full there is no race to
   * win, and the ring takes longer to report EAGAIN.
   */
  onConnect(result: number): void {
    this.#isBacklogFull = wouldBlock(result);
  }

  #open(system: SystemCalls): SubmissionRing | number {
    this.#isUsed = true;
    if (this.#ring !== undefined && !this.#ring.closed) return this.#ring;
    const ring = SubmissionRing.open(this.#binder, system);
    if (typeof ring === 'number') return ring;
    this.#ring = ring;
    if (!this.#isWatched) this.#closeWhenUnused();
    return ring;
  }

  #closeWhenUnused(): void {
    this.#isUsed = false;
    this.#isWatched = true;
    systemClock.schedule(UNUSED_MS, () => {
      if (this.#isUsed) return this.#closeWhenUnused();
      this.#isWatched = false;
      this.#close();
    });
  }

  #close(): void {
    this.#ring?.close();
    this.#ring = undefined;
  }
}

/** A thread has one binder, and so one ring; tests have others. */
const rings = new WeakMap<Binder, ThreadRing>();

/** The ring of this thread; `undefined` where a test has replaced the system calls. */
export function ringOf({ binder }: Native): ThreadRing | undefined {
  if (binder === undefined) return undefined;
  let ring = rings.get(binder);
  if (ring === undefined) rings.set(binder, (ring = new ThreadRing(binder)));
  return ring;
}
