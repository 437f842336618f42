import { BrokerPoolError, invalidArgument } from '../errors.js';

/** The largest numbers of 32 and of 64 bits. */
export const MAX_U32 = 0xffff_ffff;
export const MAX_U64 = 0xffff_ffff_ffff_ffffn;
/** Half a character: it has no UTF-8 form, and no message can hold it. */
export const LONE_SURROGATE = /\p{Surrogate}/u;

/** The first byte of every frame: the layout "length, then body". Not the envelope's version. */
export const FRAMING_VERSION = 1; // W-15: no other layout exists.

/**
 * Bytes in front of a body: the layout byte and the body length as an unsigned 32-bit little-endian number.
 */
export const FRAME_HEADER_BYTES = 5;

/** Longest body that may be written or read, in bytes. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024; // W-08: both sides refuse more.

/** Longest body that a broker reads where it expects a Hello, in bytes. */
export const MAX_HELLO_BYTES = 64 * 1024; // W-08: the cap of a first frame alone.

const NOTHING = new Uint8Array(0);

/** How much of a frame has arrived. Plain data: it crosses threads. */
export interface FrameProgress {
  /** The part of the header that has arrived, {@link FRAME_HEADER_BYTES} at most. */
  readonly header: Uint8Array;
  /** How many bytes of the body have arrived. */
  readonly bodyBytes: number;
}

/**
 * Checks a body length in bytes against {@link MAX_FRAME_BYTES}; equality is allowed.
 *
 * @throws {BrokerPoolError} `FRAME_TOO_LARGE`
 */
export function checkBodyLength(bodyBytes: number): void {
  // W-07: a body of exactly the cap passes.
  if (bodyBytes > MAX_FRAME_BYTES) throw tooLarge(bodyBytes, MAX_FRAME_BYTES);
}

function tooLarge(bodyBytes: number, cap: number): BrokerPoolError {
  const message = `frame body too large: ${bodyBytes} bytes exceeds cap ${cap}`;
  return new BrokerPoolError('FRAME_TOO_LARGE', message);
}

/**
 * A buffer of `FRAME_HEADER_BYTES + bodyBytes` bytes with the header written and the body still zero. It has
 * an ArrayBuffer of its own, so that it may be posted to another thread without more than itself.
 *
 * @throws {BrokerPoolError} `FRAME_TOO_LARGE` above {@link MAX_FRAME_BYTES}, before anything is allocated.
 */
export function allocateFrame(bodyBytes: number): Uint8Array {
  // W-09: refused before anything is allocated or sent.
  checkBodyLength(bodyBytes);
  const wire = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes);
  wire[0] = FRAMING_VERSION;
  new DataView(wire.buffer).setUint32(1, bodyBytes, true);
  return wire;
}

/**
 * Header and body in one buffer: sent as one write they never reach the peer apart.
 *
 * @throws {BrokerPoolError} `FRAME_TOO_LARGE` above {@link MAX_FRAME_BYTES}, before anything is allocated.
 */
export function encodeFrame(body: Uint8Array): Uint8Array {
  // W-01, W-12: one buffer, so that one write sends the header and the body together.
  const wire = allocateFrame(body.length);
  wire.set(body, FRAME_HEADER_BYTES);
  return wire;
}

/**
 * Cuts a byte stream into frames. Give it the bytes that arrive, in pieces of any size, with {@link push}; after
 * each piece call {@link read} until it returns `undefined`.
 *
 * All bytes are copied on their way in and out: neither does the decoder hold on to a chunk, nor does a body pin
 * the decoder's buffer. That buffer grows with the bytes that have arrived, never on the word of a header alone.
 * The decoder overwrites bytes that it no longer needs: frames may hold tokens.
 */
export class FrameDecoder {
  readonly #maxBodyBytes: number;
  // The bytes that have arrived and were not read yet lie from #start to #end.
  #buffer: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  #failure: BrokerPoolError | undefined;

  /**
   * @param maxBodyBytes longest body to accept, {@link MAX_FRAME_BYTES} at most and unless told otherwise
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` for any other number
   */
  constructor(maxBodyBytes: number = MAX_FRAME_BYTES) {
    if (!Number.isInteger(maxBodyBytes) || maxBodyBytes < 0 || maxBodyBytes > MAX_FRAME_BYTES) {
      throw invalidArgument(
        'maxBodyBytes',
        `must be an integer from 0 to ${MAX_FRAME_BYTES}, not ${maxBodyBytes}`,
      );
    }
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Adds bytes that arrived; the caller may reuse `chunk` at once. Ignored after {@link read} has thrown. */
  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    if (chunk.length > this.#buffer.length - this.#end) this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The body of the next complete frame, as a buffer of its own, or `undefined` while more bytes are needed.
   *
   * @throws {BrokerPoolError} `FRAMING_VERSION` as soon as the first byte is wrong; `FRAME_TOO_LARGE` as soon
   * as a header declares more than the cap, which itself is allowed. The same error on every later call.
   */
  read(): Uint8Array | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const bodyBytes = this.#declaredBodyBytes();
    // W-13: a frame may arrive in pieces of any size.
    if (bodyBytes === undefined) return undefined;
    const bodyStart = this.#start + FRAME_HEADER_BYTES;
    const bodyEnd = bodyStart + bodyBytes;
    if (bodyEnd > this.#end) return undefined;
    const body = copyOf(this.#buffer.subarray(bodyStart, bodyEnd));
    this.#buffer.fill(0, bodyStart, bodyEnd);
    this.#start = bodyEnd;
    this.#shrink();
    return body;
  }

  /**
   * The error to report when the peer ends the stream here, after {@link read} has returned `undefined`:
   * `UNEXPECTED_EOF` that names the part that is missing. An end between frames is an error too. If the stream had
   * failed before, that failure.
   */
  endOfInput(): BrokerPoolError {
    if (this.#failure !== undefined) return this.#failure;
    const held = this.#end - this.#start;
    // W-10: an end before the first byte of a frame is an error, too.
    const context =
      held === 0 ? 'framing byte' : held < FRAME_HEADER_BYTES ? 'body length header' : 'frame body';
    return new BrokerPoolError('UNEXPECTED_EOF', `unexpected EOF while reading frame (${context})`);
  }

  /**
   * A copy of the bytes that arrived after the last frame read. On an adopted connection they are the
   * backend's first words, and belong to the next user of the connection.
   */
  residue(): Uint8Array {
    // C-47: no byte of the backend is lost.
    return this.#buffer.slice(this.#start, this.#end);
  }

  /** How far the frame has come that {@link read} still waits for. */
  progress(): FrameProgress {
    const header = this.#buffer.slice(this.#start, Math.min(this.#start + FRAME_HEADER_BYTES, this.#end));
    return { header, bodyBytes: Math.max(this.#end - this.#start - FRAME_HEADER_BYTES, 0) };
  }

  /** Forgets the bytes after the last frame read: no further frame is wanted. */
  wipe(): void {
    this.#buffer.fill(0, this.#start, this.#end);
    this.#buffer = NOTHING;
    this.#start = this.#end = 0;
  }

  // From the header of the next frame; undefined until there is all of it.
  #declaredBodyBytes(): number | undefined {
    const held = this.#end - this.#start;
    if (held === 0) return undefined;
    // W-06, W-14: a wrong first byte fails at once, before the length has arrived.
    const version = this.#buffer[this.#start];
    if (version !== FRAMING_VERSION) {
      const message = `unsupported framing version: got ${version}, expected ${FRAMING_VERSION}`;
      throw (this.#failure = new BrokerPoolError('FRAMING_VERSION', message));
    }
    if (held < FRAME_HEADER_BYTES) return undefined;
    const bodyBytes = new DataView(this.#buffer.buffer).getUint32(this.#start + 1, true);
    if (bodyBytes > this.#maxBodyBytes) throw (this.#failure = tooLarge(bodyBytes, this.#maxBodyBytes));
    return bodyBytes;
  }

  // At least as much free room as is held: each byte is then moved a constant number of times on average,
  // however small the pieces are.
  #makeRoom(incoming: number): void {
    const held = this.#end - this.#start;
    this.#moveTo(allocate(Math.max(held + incoming, held * 2)));
  }

  // A small rest must not keep the buffer of a large read alive. Shrinks only below a quarter: many small
  // frames in one large piece must not move the rest each time.
  #shrink(): void {
    const held = this.#end - this.#start;
    if (held === 0) this.#moveTo(NOTHING);
    else if (held * 4 <= this.#buffer.length) this.#moveTo(allocate(held));
  }

  #moveTo(buffer: Uint8Array): void {
    const held = this.#buffer.subarray(this.#start, this.#end);
    buffer.set(held);
    held.fill(0);
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = buffer;
  }
}

/** The progress of a frame of which nothing has arrived. */
export const NO_PROGRESS: FrameProgress = { header: NOTHING, bodyBytes: 0 };

/** Finds the end of one frame, continuing where another reader stopped, and keeps nothing of its body. */
export class FrameEnd {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes: number;
  #bodyBytes: number;

  constructor({ header, bodyBytes }: FrameProgress = NO_PROGRESS) {
    this.#header.set(header);
    this.#headerBytes = header.length;
    this.#bodyBytes = bodyBytes;
  }

  /** Counts bytes that arrived. */
  push(chunk: Uint8Array): void {
    const ofHeader = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, chunk.length);
    this.#header.set(chunk.subarray(0, ofHeader), this.#headerBytes);
    this.#headerBytes += ofHeader;
    this.#bodyBytes += chunk.length - ofHeader;
  }

  /** Whether the frame is complete, or its header is invalid and its end cannot be known. */
  get reached(): boolean {
    if (this.#headerBytes > 0 && this.#header[0] !== FRAMING_VERSION) return true;
    if (this.#headerBytes < FRAME_HEADER_BYTES) return false;
    const declaredBytes = new DataView(this.#header.buffer).getUint32(1, true);
    return declaredBytes > MAX_FRAME_BYTES || this.#bodyBytes >= declaredBytes;
  }
}

/**
 * New zeroed bytes outside V8's own heap. V8 keeps arrays of up to 64 bytes on its heap otherwise, and its
 * collector copies them: the old copies cannot be overwritten, and some of the bytes here are tokens.
 */
function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Not `Uint8Array<ArrayBuffer>`, which TypeScript before 5.7 does not know. */
type OwnBytes = Uint8Array & { readonly buffer: ArrayBuffer };

/** A copy outside V8's own heap, see {@link allocate}. */
export function copyOf(bytes: Uint8Array): OwnBytes {
  // Without bytes there is nothing to hide, and on V8's heap an empty array costs next to nothing.
  if (bytes.length === 0) return new Uint8Array(0);
  const copy = allocate(bytes.length);
  copy.set(bytes);
  return copy;
}
