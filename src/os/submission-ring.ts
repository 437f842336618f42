import { LINUX } from './abi.js';
import { errno } from './errno.js';
import type { Binder, SystemCalls } from './native.js';

const NO_RING = -(errno['ENOSYS'] ?? 0);

/** The results of connect and send, non-negative or the negated errno. */
export interface RingResult {
  readonly connected: number;
  /** Meaningless unless `connected` is 0. */
  readonly sent: number;
}

/** System call numbers, the same on every architecture that has Node. */
const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const ENTER_GETEVENTS = 1;

const SETUP_SINGLE_ISSUER = 1 << 12;
/** The kernel completes entries inside our own enter; it does not interrupt the thread. */
const SETUP_DEFER_TASKRUN = 1 << 13;

/** Both rings in one mapping (5.4). */
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
const CLOSED = -(errno['EBADF'] ?? 0);
const CONNECT_ID = 1;
const SEND_ID = 2;

/**
 * `struct io_uring_params` (120 bytes): sq_entries u32 at 0, cq_entries at 4, flags at 8, features at 20;
 * from 40 the offsets of the submission ring's head, tail, ring_mask, ring_entries, flags, dropped, array
 * (u32 each), from 80 the completion ring's head, tail, ring_mask, ring_entries, overflow, cqes.
 */
const PARAMS_BYTES = 120;
const PARAMS = {
  cqEntries: 4,
  flags: 8,
  features: 20,
  sqTail: 44,
  sqArray: 64,
  cqHead: 80,
  cqTail: 84,
  cqMask: 88,
  cqes: 100,
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

interface Calls {
  /** All arguments of `syscall` travel as whole machine words, on x86-64 and arm64 alike. */
  readonly call: (number: number, a: number, b: number | Uint8Array, c: number, d: number) => number;
  readonly map: (descriptor: number, bytes: number, offset: number) => number;
  readonly unmap: (address: number, bytes: number) => void;
}

function bindCalls({ define }: Binder): Calls {
  const setup = define('long syscall(long number, long entries, uint8_t *params)');
  const enter = define(
    'long syscall(long number, long fd, long submit, long complete, long flags, void *none, long size)',
  );
  const mmap = define(
    'intptr_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
  );
  const munmap = define('int munmap(intptr_t address, size_t length)');
  return {
    call: (number, a, b, c, d) =>
      typeof b === 'number' ? enter(number, a, b, c, d, null, 0) : setup(number, a, b),
    map: (descriptor, bytes, offset) =>
      mmap(null, bytes, MMAP_PROT_READ_WRITE, MMAP_SHARED_POPULATE, descriptor, offset),
    unmap: (address, bytes) => {
      munmap(address, bytes);
    },
  };
}

/** Kept beyond a ring's life: to bind the declarations takes longer than to open a ring. */
const callsByBinder = new WeakMap<Binder, Calls>();

/**
 * An io_uring for one purpose: connect and send in a single system call (Linux 6.12 and later).
 *
 * With two calls the thread returns to JavaScript in between, and the connect has woken the broker: in up to a
 * quarter of all Hellos the broker reads first, finds no bytes and sleeps 5 ms (V-21). Linked entries close
 * that gap.
 */
export class SubmissionRing {
  readonly #binder: Binder;
  readonly #system: SystemCalls;
  readonly #calls: Calls;
  readonly #descriptor: number;
  readonly #mappings: readonly (readonly [address: number, bytes: number])[];
  readonly #ring: Int32Array;
  readonly #entries: DataView;
  readonly #tailIndex: number;
  readonly #headIndex: number;
  readonly #completedIndex: number;
  readonly #completionsIndex: number;
  readonly #completionMask: number;
  /** The entries point to them, so they must stay referenced. */
  #address: Uint8Array | undefined;
  #request: Uint8Array | undefined;
  #closed = false;

  /**
   * Returns the negated errno where there is no ring: ENOSYS also on a kernel too old for linked connects, EPERM
   * where a container runtime forbids io_uring.
   */
  static open(binder: Binder, system: SystemCalls): SubmissionRing | number {
    if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return NO_RING;
    const calls = callsByBinder.get(binder) ?? bindCalls(binder);
    callsByBinder.set(binder, calls);
    const params = new DataView(new ArrayBuffer(PARAMS_BYTES));
    params.setUint32(PARAMS.flags, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN, true);
    const descriptor = calls.call(IO_URING_SETUP, ENTRIES, new Uint8Array(params.buffer), 0, 0);
    if (descriptor < 0) return descriptor;
    const field = (offset: number): number => params.getUint32(offset, true);
    const ringBytes = Math.max(
      field(PARAMS.cqes) + field(PARAMS.cqEntries) * CQE_BYTES,
      field(PARAMS.sqArray) + ENTRIES * 4,
    );
    const known = (field(PARAMS.features) & NEEDED_FEATURES) === NEEDED_FEATURES;
    const ring = known ? calls.map(descriptor, ringBytes, MMAP_OFFSET_RINGS) : NO_RING;
    const entries = ring < 0 ? ring : calls.map(descriptor, ENTRIES * SQE_BYTES, MMAP_OFFSET_ENTRIES);
    if (entries < 0) {
      if (ring >= 0) calls.unmap(ring, ringBytes);
      system.close(descriptor);
      return entries;
    }
    const mappings = [
      [ring, ringBytes],
      [entries, ENTRIES * SQE_BYTES],
    ] as const;
    return new SubmissionRing(binder, system, calls, descriptor, mappings, field);
  }

  private constructor(
    binder: Binder,
    system: SystemCalls,
    bound: Calls,
    descriptor: number,
    mappings: readonly [readonly [number, number], readonly [number, number]],
    field: (offset: number) => number,
  ) {
    this.#binder = binder;
    this.#system = system;
    this.#calls = bound;
    this.#descriptor = descriptor;
    this.#mappings = mappings;
    const [[ring, ringBytes], [entries, entriesBytes]] = mappings;
    this.#ring = new Int32Array(binder.view(ring, ringBytes));
    this.#entries = new DataView(binder.view(entries, entriesBytes));
    this.#tailIndex = field(PARAMS.sqTail) / 4;
    this.#headIndex = field(PARAMS.cqHead) / 4;
    this.#completedIndex = field(PARAMS.cqTail) / 4;
    this.#completionsIndex = field(PARAMS.cqes) / 4;
    this.#completionMask = this.#ring[field(PARAMS.cqMask) / 4] ?? 0;
    // Both entries are used each time, so their order never changes.
    for (let entry = 0; entry < ENTRIES; entry++) this.#ring[field(PARAMS.sqArray) / 4 + entry] = entry;
    this.#prepare(0, OPERATION_CONNECT, CONNECT_ID);
    this.#entries.setUint8(1, FLAG_LINK);
    this.#prepare(SQE_BYTES, OPERATION_SEND, SEND_ID);
    this.#entries.setUint32(SQE_BYTES + SQE.operationFlags, LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL, true);
  }

  /** A ring closes itself when it meets a full backlog. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Connects `descriptor`, a non-blocking socket, and sends. Returns the negated errno if the kernel does not
   * take the entries; then nothing has happened.
   */
  connectAndSend(descriptor: number, address: Uint8Array, request: Uint8Array): RingResult | number {
    if (this.#closed) return CLOSED;
    this.#pointTo(address, request);
    this.#entries.setInt32(SQE.fd, descriptor, true);
    this.#entries.setInt32(SQE_BYTES + SQE.fd, descriptor, true);
    const ring = this.#ring;
    const head = ring[this.#headIndex] ?? 0;
    Atomics.store(ring, this.#tailIndex, ((ring[this.#tailIndex] ?? 0) + ENTRIES) | 0);
    const taken = this.#enter(ENTRIES);
    if (taken < 0) return taken;
    const done = (): number => (Atomics.load(ring, this.#completedIndex) - head) | 0;
    if (taken === ENTRIES && done() === 0) return this.#giveUp();
    // After a connect that succeeded at the second try the send waits for the next enter. Entries that a kernel
    // short of memory has not taken never complete.
    for (let round = 0; round < MAX_ROUNDS && done() < taken; round += 1) this.#enter(0);
    return done() === 0 ? this.#giveUp() : this.#results(head, done());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const [address, bytes] of this.#mappings) this.#calls.unmap(address, bytes);
    this.#system.close(this.#descriptor);
  }

  /** Submits and completes without waiting: both calls succeed at once or meet a full backlog. */
  #enter(submit: number): number {
    return this.#calls.call(IO_URING_ENTER, this.#descriptor, submit, 0, ENTER_GETEVENTS);
  }

  #results(head: number, count: number): RingResult {
    const ring = this.#ring;
    let connected = 0;
    // 0 makes the caller send the request by other means.
    let sent = 0;
    for (let index = 0; index < count; index++) {
      const completion = this.#completionsIndex + (((head + index) & this.#completionMask) * CQE_BYTES) / 4;
      const result = ring[completion + 2] ?? 0;
      if (ring[completion] === CONNECT_ID) connected = result;
      else sent = result;
    }
    Atomics.store(ring, this.#headIndex, (head + count) | 0);
    if (count < ENTRIES) this.close();
    return { connected, sent };
  }

  /**
   * The connect is still under way because the kernel retries where `connect` returns EAGAIN. Closing the ring
   * cancels the retry.
   */
  #giveUp(): RingResult {
    this.close();
    return { connected: -(errno['EAGAIN'] ?? 0), sent: 0 };
  }

  #prepare(offset: number, operation: number, id: number): void {
    this.#entries.setUint8(offset, operation);
    this.#entries.setUint32(offset + SQE.userData, id, true);
  }

  #pointTo(address: Uint8Array, request: Uint8Array): void {
    if (address !== this.#address) {
      this.#address = address;
      this.#entries.setBigUint64(SQE.addr, this.#binder.address(address), true);
      this.#entries.setUint32(SQE.off, address.byteLength, true);
    }
    if (request !== this.#request) {
      this.#request = request;
      this.#entries.setBigUint64(SQE_BYTES + SQE.addr, this.#binder.address(request), true);
      this.#entries.setUint32(SQE_BYTES + SQE.len, request.byteLength, true);
    }
  }
}
