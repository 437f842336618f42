/**
 * Connect and send in one system call, by io_uring (Linux 6.12 and later), and the one place that decides
 * whether it is used. With two calls the thread returns to JavaScript in between, and the connect has woken the
 * broker: in up to a quarter of all Hellos the broker reads first, finds no bytes and sleeps 5 ms (V-21).
 *
 * Optional: docs/removing.md tells how to remove it. `connectAndSend` in socket.ts uses {@link ringOf}, and
 * makes the two calls one after the other without a ring; ring-problem.ts tells `doctor` why there is none.
 */
import { systemClock } from '../clock.js';
import { isSwitchedOff } from '../process-warning.js';
import { LINUX } from './abi.js';
import { errno, wouldBlock } from './errno.js';
import type { Binder, Native, NativeFunction, SystemCalls } from './native.js';

/** The results of connect and send, non-negative or the negated errno. */
export interface RingResult {
  readonly connected: number;
  /** Meaningless unless `connected` is 0; 0 has the caller send by other means. */
  readonly sent: number;
}

const IS_UNWANTED =
  process.platform !== 'linux' ||
  !['x64', 'arm64'].includes(process.arch) ||
  isSwitchedOff('BROKER_POOL_IO_URING');
/** A ring is closed when it was not used for this time, at the latest after twice this time. */
const UNUSED_MS = 250;
const negated = (name: string): number => -(errno[name] ?? 0);
/** Errors that mean io_uring will never work here. Others pass, a shortage of descriptors for example. */
const PERMANENT_ERRORS: ReadonlySet<number> = new Set(['ENOSYS', 'EPERM', 'EACCES', 'EINVAL'].map(negated));

/** System call numbers, the same on every architecture that has Node. */
const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const ENTER_GETEVENTS = 1;

const SETUP_SINGLE_ISSUER = 1 << 12;
/** The kernel completes entries inside our own enter; it does not interrupt the thread. */
const SETUP_DEFER_TASKRUN = 1 << 13;

/** The kernel maps both rings at once (5.4). */
const FEATURE_SINGLE_MMAP = 1 << 0;
/** Linux 6.12 has it. Older kernels retry a connect that finds a full backlog, the oldest without end. */
const FEATURE_MIN_TIMEOUT = 1 << 15;
const NEEDED_FEATURES = FEATURE_SINGLE_MMAP | FEATURE_MIN_TIMEOUT;

const ENTRIES = 2;
const OPERATION_CONNECT = 16;
const OPERATION_SEND = 26;
/** The next entry starts when this one succeeds; otherwise the kernel cancels it. */
const FLAG_LINK = 4;
/** The first enter normally completes both entries. */
const MAX_ROUNDS = 10;
const CONNECT_ID = 1;
const SEND_ID = 2;

/**
 * `struct io_uring_params` (120 bytes) in words of 4: sq_entries 0, cq_entries 1, flags 2, features 5; from 10
 * the offsets of the submission ring's head, tail, ring_mask, ring_entries, flags, dropped, array; from 20 those
 * of the completion ring's head, tail, ring_mask, ring_entries, overflow, cqes.
 */
const PARAMS_WORDS = 30;
const PARAMS = {
  cqEntries: 1,
  flags: 2,
  features: 5,
  sqTail: 11,
  sqArray: 16,
  cqHead: 20,
  cqTail: 21,
  cqMask: 22,
  cqes: 25,
} as const;

/**
 * `struct io_uring_sqe` (64 bytes): opcode u8 at 0, flags u8 at 1, fd i32 at 4, off or addr2 u64 at 8, addr
 * u64 at 16, len u32 at 24, the operation's own flags u32 at 28, user_data u64 at 32.
 */
const SQE_BYTES = 64;
const SQE = { fd: 4, off: 8, addr: 16, len: 24, operationFlags: 28, userData: 32 } as const;
/** `struct io_uring_cqe` (16 bytes): user_data u64, result i32, flags u32. */
const CQE_BYTES = 16;

const MMAP_PROT_READ_WRITE = 3;
const MMAP_SHARED_POPULATE = 0x8001;
const MMAP_OFFSET_RINGS = 0;
const MMAP_OFFSET_ENTRIES = 0x10000000;

/** The ring of a thread: opened when first needed, closed when no connect has needed it for a while. */
export class ThreadRing {
  readonly #binder: Binder;
  readonly #system: SystemCalls;
  /** `syscall`, all arguments as whole machine words, on x86-64 and arm64 alike. */
  readonly #setup: NativeFunction;
  readonly #enter: NativeFunction;
  readonly #map: NativeFunction;
  readonly #unmap: NativeFunction;
  #open: OpenRing | undefined;
  /** Set by the first permanent error: the kernel is asked once. */
  #isForbidden = false;
  #isBacklogFull = false;
  #isUsed = false;
  #isWatched = false;
  /** The entries point to them, so they must stay referenced. */
  #address: Uint8Array | undefined;
  #request: Uint8Array | undefined;

  constructor(binder: Binder, system: SystemCalls) {
    this.#binder = binder;
    this.#system = system;
    // Once for each thread: to bind the declarations takes longer than to open a ring.
    this.#setup = binder.define('long syscall(long number, long entries, uint32_t *params)');
    this.#enter = binder.define(
      'long syscall(long number, long fd, long submit, long complete, long flags, void *none, long size)',
    );
    this.#map = binder.define(
      'intptr_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
    );
    this.#unmap = binder.define('int munmap(intptr_t address, size_t length)');
  }

  /** Connects `descriptor`, a non-blocking socket, and sends. `undefined` where the kernel has done nothing. */
  connectAndSend(descriptor: number, address: Uint8Array, request: Uint8Array): RingResult | undefined {
    if (this.#isBacklogFull || this.#isForbidden) return undefined;
    const ring = this.#ring();
    const taken = typeof ring === 'number' ? ring : this.#submit(ring, descriptor, address, request);
    if (typeof ring === 'number' || taken < 0) {
      this.close();
      this.#isForbidden = PERMANENT_ERRORS.has(taken);
      return undefined;
    }
    const { words, completed, head } = ring;
    const first = words[head] ?? 0;
    let done = (Atomics.load(words, completed) - first) | 0;
    // A connect that is not done is retried by the kernel, where `connect` returns EAGAIN: closing the ring
    // cancels that. After one that succeeded at the second try the send waits for the next enter. Entries that a
    // kernel short of memory has not taken never complete.
    const rounds = taken === ENTRIES && done === 0 ? 0 : MAX_ROUNDS;
    for (let round = 0; round < rounds && done < taken; round += 1) {
      this.#enter(IO_URING_ENTER, ring.descriptor, 0, 0, ENTER_GETEVENTS, null, 0);
      done = (Atomics.load(words, completed) - first) | 0;
    }
    const result = { connected: done === 0 ? negated('EAGAIN') : 0, sent: 0 };
    for (let index = first; index < first + done; index += 1) {
      const completion = ring.completions + ((index & ring.mask) * CQE_BYTES) / 4;
      const value = words[completion + 2] ?? 0;
      if (words[completion] === CONNECT_ID) result.connected = value;
      else result.sent = value;
    }
    Atomics.store(words, head, first + done);
    if (done < ENTRIES) this.close();
    return result;
  }

  /**
   * Takes the result of each failed connect, with or without the ring. While the backlog is full there is no
   * race to win, and the ring takes longer to report EAGAIN.
   */
  onConnect(result: number): void {
    this.#isBacklogFull = result < 0 && wouldBlock(result);
  }

  close(): void {
    const ring = this.#open;
    if (ring === undefined) return;
    this.#open = undefined;
    for (const [address, bytes] of ring.mappings) this.#unmap(address, bytes);
    this.#system.close(ring.descriptor);
  }

  /** The open ring; the negated errno where there is none: EPERM where a container runtime forbids io_uring. */
  #ring(): OpenRing | number {
    this.#isUsed = true;
    if (this.#open !== undefined) return this.#open;
    const params = new Uint32Array(PARAMS_WORDS);
    params[PARAMS.flags] = SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    const descriptor = this.#setup(IO_URING_SETUP, ENTRIES, params);
    if (descriptor < 0) return descriptor;
    const of = (field: keyof typeof PARAMS): number => params[PARAMS[field]] ?? 0;
    const map = (bytes: number, offset: number): number =>
      this.#map(null, bytes, MMAP_PROT_READ_WRITE, MMAP_SHARED_POPULATE, descriptor, offset);
    const ringBytes = Math.max(of('cqes') + of('cqEntries') * CQE_BYTES, of('sqArray') + ENTRIES * 4);
    // A kernel too old for linked connects.
    const isKnown = (of('features') & NEEDED_FEATURES) === NEEDED_FEATURES;
    const ring = isKnown ? map(ringBytes, MMAP_OFFSET_RINGS) : negated('ENOSYS');
    const entries = ring < 0 ? ring : map(ENTRIES * SQE_BYTES, MMAP_OFFSET_ENTRIES);
    if (entries < 0) {
      if (ring >= 0) this.#unmap(ring, ringBytes);
      this.#system.close(descriptor);
      return entries;
    }
    const words = new Int32Array(this.#binder.view(ring, ringBytes));
    const opened: OpenRing = {
      descriptor,
      mappings: [
        [ring, ringBytes],
        [entries, ENTRIES * SQE_BYTES],
      ],
      words,
      entries: new DataView(this.#binder.view(entries, ENTRIES * SQE_BYTES)),
      tail: of('sqTail') / 4,
      head: of('cqHead') / 4,
      completed: of('cqTail') / 4,
      completions: of('cqes') / 4,
      mask: words[of('cqMask') / 4] ?? 0,
    };
    // Both entries are used each time, so their order never changes.
    for (let entry = 0; entry < ENTRIES; entry += 1) words[of('sqArray') / 4 + entry] = entry;
    opened.entries.setUint8(0, OPERATION_CONNECT);
    opened.entries.setUint8(1, FLAG_LINK);
    opened.entries.setUint32(SQE.userData, CONNECT_ID, true);
    opened.entries.setUint8(SQE_BYTES, OPERATION_SEND);
    opened.entries.setUint32(SQE_BYTES + SQE.operationFlags, LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL, true);
    opened.entries.setUint32(SQE_BYTES + SQE.userData, SEND_ID, true);
    this.#address = this.#request = undefined;
    this.#open = opened;
    if (!this.#isWatched) this.#closeWhenUnused();
    return opened;
  }

  /** Submits both and completes without waiting. Returns how many entries the kernel has taken. */
  #submit(ring: OpenRing, descriptor: number, address: Uint8Array, request: Uint8Array): number {
    const { entries, words, tail } = ring;
    if (address !== this.#address) {
      this.#address = address;
      entries.setBigUint64(SQE.addr, this.#binder.address(address), true);
      entries.setUint32(SQE.off, address.byteLength, true);
    }
    if (request !== this.#request) {
      this.#request = request;
      entries.setBigUint64(SQE_BYTES + SQE.addr, this.#binder.address(request), true);
      entries.setUint32(SQE_BYTES + SQE.len, request.byteLength, true);
    }
    entries.setInt32(SQE.fd, descriptor, true);
    entries.setInt32(SQE_BYTES + SQE.fd, descriptor, true);
    Atomics.store(words, tail, (words[tail] ?? 0) + ENTRIES);
    return this.#enter(IO_URING_ENTER, ring.descriptor, ENTRIES, 0, ENTER_GETEVENTS, null, 0);
  }

  #closeWhenUnused(): void {
    this.#isUsed = false;
    this.#isWatched = true;
    systemClock.schedule(UNUSED_MS, () => {
      if (this.#isUsed) return this.#closeWhenUnused();
      this.#isWatched = false;
      this.close();
    });
  }
}

/** An io_uring and its memory; all but `mappings` in words of 4 bytes. */
interface OpenRing {
  readonly descriptor: number;
  readonly mappings: readonly (readonly [address: number, bytes: number])[];
  /** Both rings. */
  readonly words: Int32Array;
  readonly entries: DataView;
  readonly tail: number;
  readonly head: number;
  readonly completed: number;
  readonly completions: number;
  readonly mask: number;
}

/** A thread has one binder, and so one ring; tests have others. */
const rings = new WeakMap<Binder, ThreadRing>();

/**
 * The ring of this thread; `undefined` where the system has none, the user wants none, or a test has replaced
 * the system calls.
 */
export function ringOf({ binder, system }: Native): ThreadRing | undefined {
  if (binder === undefined || IS_UNWANTED) return undefined;
  let ring = rings.get(binder);
  if (ring === undefined) rings.set(binder, (ring = new ThreadRing(binder, system)));
  return ring;
}
