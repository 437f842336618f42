/** Indexes of the first words. */
const WRITTEN = 0;
const READ = 1;
const RUNG = 2;
const ANSWERED = 3;
const MESSAGES_READ = 4;
const ENDED = 5;

const HEADER_BYTES = 32;
const FIELDS = 3;
const RECORD_BYTES = FIELDS * Float64Array.BYTES_PER_ELEMENT;

/** Records in a log. The pool's thread can be so far behind before the client must write messages. */
const RECORDS = 1_024;

/** In the place of a release's turn. */
const CLAIM = -1;
// Marks of a release.
const KEPT = 1;
const EVER_RECEIVED = 2;

/**
 * The releases and claims of one client, in their order, in memory that the pool's thread reads: a message for
 * each of them takes longer than the rest of a lease. The client sends one message when the pool's thread has
 * read all that the last one was about. When it ends, the pool's thread finds all that it has written.
 *
 * Layout: six 32-bit words, padded to 32 bytes: the numbers of the record to write and to read next, whether
 * a message is on its way (1 or 0), how many acquires the pool has answered, how many releases and claims in
 * messages it has read, whether the pool has ended (1 or 0). Then 1,024 records of three 64-bit floats, used in
 * turn: the acquire's number; the turn of a release, or -1 for a claim; marks of the release, or the claimed
 * connection's number. Numbers of records and counts go on at the lowest 32-bit number after the highest.
 */
export class LeaseLog {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #records: Float64Array;
  readonly #capacity: number;
  /** The number of the next record, on the side that writes or reads it. */
  #next = 0;

  /** @param memory of the other side, or how many records there are: a power of 2 */
  constructor(memory: SharedArrayBuffer | number = RECORDS) {
    this.memory =
      typeof memory === 'number' ? new SharedArrayBuffer(HEADER_BYTES + memory * RECORD_BYTES) : memory;
    this.#words = new Int32Array(this.memory, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#records = new Float64Array(this.memory, HEADER_BYTES);
    this.#capacity = this.#records.length / FIELDS;
  }

  /** Client: false where the log is full. */
  writeRelease(acquireId: number, kept: boolean, everReceived: boolean, turn: number): boolean {
    return this.#write(acquireId, turn, (kept ? KEPT : 0) | (everReceived ? EVER_RECEIVED : 0));
  }

  /** Client: false where the log is full. */
  writeClaim(acquireId: number, connectionId: number): boolean {
    return this.#write(acquireId, CLAIM, connectionId);
  }

  /** Client, after a record: whether the pool's thread must be sent a message, since none is on its way. */
  ring(): boolean {
    return Atomics.exchange(this.#words, RUNG, 1) === 0;
  }

  /**
   * Pool's thread: calls a function for each record that has been written. Records written meanwhile come with the
   * next message.
   */
  read(
    onRelease: (acquireId: number, kept: boolean, everReceived: boolean, turn: number) => void,
    onClaim: (acquireId: number, connectionId: number) => void,
  ): void {
    Atomics.store(this.#words, RUNG, 0);
    const end = Atomics.load(this.#words, WRITTEN);
    // A listener that hears of a record may end the sharing: the functions then ignore the rest.
    while (((end - this.#next) | 0) > 0) {
      const at = (this.#next & (this.#capacity - 1)) * FIELDS;
      const acquireId = this.#records[at] ?? 0;
      const turn = this.#records[at + 1] ?? 0;
      const detail = this.#records[at + 2] ?? 0;
      this.#next = (this.#next + 1) | 0;
      Atomics.store(this.#words, READ, this.#next);
      if (turn === CLAIM) onClaim(acquireId, detail);
      else onRelease(acquireId, (detail & KEPT) !== 0, (detail & EVER_RECEIVED) !== 0, turn);
    }
  }

  /** Pool's thread: has answered an acquire, or stopped it at its caller's wish. */
  countAnswer(): void {
    Atomics.add(this.#words, ANSWERED, 1);
  }

  /** Client: how many acquires the pool has answered, as a 32-bit number. */
  get answered(): number {
    return Atomics.load(this.#words, ANSWERED);
  }

  /** Pool's thread: has read a release or a claim in a message. */
  countMessage(): void {
    Atomics.add(this.#words, MESSAGES_READ, 1);
  }

  /** Client: how many releases and claims in messages the pool's thread has read, as a 32-bit number. */
  get messagesRead(): number {
    return Atomics.load(this.#words, MESSAGES_READ);
  }

  /** Pool's thread, before it closes connections: their ends may reach the client before any message. */
  markEnded(): void {
    Atomics.store(this.#words, ENDED, 1);
  }

  /** Client: whether the pool has ended. */
  get isEnded(): boolean {
    return Atomics.load(this.#words, ENDED) === 1;
  }

  #write(acquireId: number, turn: number, detail: number): boolean {
    if (((this.#next - Atomics.load(this.#words, READ)) | 0) >= this.#capacity) return false;
    const at = (this.#next & (this.#capacity - 1)) * FIELDS;
    this.#records[at] = acquireId;
    this.#records[at + 1] = turn;
    this.#records[at + 2] = detail;
    this.#next = (this.#next + 1) | 0;
    // After the fields: the pool's thread reads no record whose number is not below this one.
    Atomics.store(this.#words, WRITTEN, this.#next);
    return true;
  }
}
