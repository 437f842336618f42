import { BrokerPoolError } from '../../errors.js';
import { checkBodyLength, FRAME_HEADER_BYTES, FRAMING_VERSION } from '../../wire/frame.js';
import { decodeFrameBody } from './decode-body.js';
import { lentPayload, type FrameView, type TakePayload } from './frame-view.js';

const NOTHING: Uint8Array = new Uint8Array(0);
/** The memory that a frame gets before so much of it has arrived. */
const FIRST_BYTES = 64 * 1024;

/**
 * Cuts the bytes of a connection into frames, without I/O. {@link push} the bytes that arrive, in pieces of any
 * size, and {@link read} until it returns `undefined`.
 *
 * A frame that lies within one piece is not copied: its payload is a view of that piece. A frame that arrives
 * in several pieces is put together in memory of its own, each byte copied once or twice. That memory grows
 * with the bytes that have arrived, to four times as much at most: a header that declares 16 MiB costs
 * 64 KiB.
 */
export class FrameReader {
  // The piece that is being read.
  #piece = NOTHING;
  #position = 0;
  // The beginning of a frame whose rest has not arrived, header included.
  #partial = NOTHING;
  #partialBytes = 0;
  #failure: BrokerPoolError | undefined;
  readonly #takePayload: TakePayload;

  constructor(takePayload: TakePayload = lentPayload) {
    this.#takePayload = takePayload;
  }

  /**
   * Takes over bytes that arrived. Payloads are views of them, so nothing may change them any more, and they
   * stay in memory for as long as a payload does. A piece that comes before the last one has been read to its
   * end is joined to the rest of it, which copies both. Ignored after {@link read} has thrown.
   */
  push(piece: Uint8Array): void {
    if (this.#failure !== undefined || piece.length === 0) return;
    const rest = this.#piece.length - this.#position;
    this.#piece = rest === 0 ? piece : joined(this.#piece.subarray(this.#position), piece);
    this.#position = 0;
  }

  /**
   * The next complete frame, or `undefined` while more bytes are needed. The payload never changes: it belongs
   * to the caller for as long as the caller wants it.
   *
   * @throws {BrokerPoolError} `FRAMING_VERSION` as soon as the first byte is wrong; `FRAME_TOO_LARGE` as soon as
   * a header declares more than 16 MiB; `DECODE_FRAME` for a body that is no Frame. The same error on every
   * later call.
   */
  read(): FrameView | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#partialBytes === 0 ? this.#readWhole() : this.#readSplit();
    } catch (error) {
      if (error instanceof BrokerPoolError) this.#failure = error;
      throw error;
    }
  }

  /** The number of bytes after the last frame read. 0 after `read` has returned `undefined`: between frames. */
  get unreadBytes(): number {
    return this.#partialBytes + this.#piece.length - this.#position;
  }

  /** How many bytes of a frame that has begun have not arrived; 0 where its header is not complete. */
  get missingBytes(): number {
    if (this.#partialBytes < FRAME_HEADER_BYTES || this.#failure !== undefined) return 0;
    return declaredFrameBytes(this.#partial, 0) - this.unreadBytes;
  }

  /**
   * The bytes after the last frame read: for a look at them between two frames, or for the next user of the
   * connection. They stay unread.
   */
  unread(): Uint8Array {
    const rest = this.#piece.subarray(this.#position);
    return this.#partialBytes === 0 ? rest : joined(this.#partial.subarray(0, this.#partialBytes), rest);
  }

  /** Moves the bytes after the last frame to memory of their own: a caller may transfer that of a payload. */
  keepUnread(): void {
    this.#piece = new Uint8Array(this.#piece.subarray(this.#position));
    this.#position = 0;
  }

  /**
   * The error to report when the peer ends the stream here: `UNEXPECTED_EOF` that names the part of the frame
   * that is missing, or the failure of `read`. `undefined` between two frames, where an end is clean.
   */
  endOfInput(): BrokerPoolError | undefined {
    if (this.#failure !== undefined || this.unreadBytes === 0) return this.#failure;
    const part = this.unreadBytes < FRAME_HEADER_BYTES ? 'body length header' : 'frame body';
    return new BrokerPoolError('UNEXPECTED_EOF', `unexpected EOF while reading frame (${part})`);
  }

  /** A frame that begins in this piece. */
  #readWhole(): FrameView | undefined {
    const piece = this.#piece;
    const start = this.#position;
    const rest = piece.length - start;
    if (rest === 0) return this.#dropPiece();
    checkVersion(piece[start]!);
    if (rest < FRAME_HEADER_BYTES) return this.#keep(rest, FRAME_HEADER_BYTES);
    const frameBytes = declaredFrameBytes(piece, start);
    if (rest < frameBytes) return this.#keep(rest, frameBytes);
    const end = start + frameBytes;
    this.#position = end;
    return decodeFrameBody(piece, start + FRAME_HEADER_BYTES, end, this.#takePayload);
  }

  /** A frame that began in an earlier piece. */
  #readSplit(): FrameView | undefined {
    if (this.#partialBytes < FRAME_HEADER_BYTES)
      this.#keep(FRAME_HEADER_BYTES - this.#partialBytes, FRAME_HEADER_BYTES);
    if (this.#partialBytes < FRAME_HEADER_BYTES) return undefined;
    const frameBytes = declaredFrameBytes(this.#partial, 0);
    this.#keep(frameBytes - this.#partialBytes, frameBytes);
    if (this.#partialBytes < frameBytes) return undefined;
    const frame = this.#partial;
    this.#partial = NOTHING;
    this.#partialBytes = 0;
    return decodeFrameBody(frame, FRAME_HEADER_BYTES, frameBytes, this.#takePayload);
  }

  /** Moves up to `count` bytes of the piece to the partial frame, which will have `frameBytes` bytes. */
  #keep(count: number, frameBytes: number): undefined {
    const end = Math.min(this.#position + count, this.#piece.length);
    const kept = this.#partialBytes + end - this.#position;
    if (kept > this.#partial.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(frameBytes, Math.max(4 * kept, FIRST_BYTES)));
      larger.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = larger;
    }
    this.#partial.set(this.#piece.subarray(this.#position, end), this.#partialBytes);
    this.#partialBytes = kept;
    this.#position = end;
    if (end === this.#piece.length) this.#dropPiece();
  }

  /** A piece that has been read must not stay in memory until the next one comes. */
  #dropPiece(): undefined {
    this.#piece = NOTHING;
    this.#position = 0;
  }
}

function checkVersion(version: number): void {
  if (version === FRAMING_VERSION) return;
  const message = `unsupported framing version: got ${version}, expected ${FRAMING_VERSION}`;
  throw new BrokerPoolError('FRAMING_VERSION', message);
}

/** The length of a frame with its header, from the header that begins at `start`. */
function declaredFrameBytes(bytes: Uint8Array, start: number): number {
  const bodyBytes =
    bytes[start + 1]! +
    bytes[start + 2]! * 0x100 +
    bytes[start + 3]! * 0x1_0000 +
    bytes[start + 4]! * 0x100_0000;
  checkBodyLength(bodyBytes);
  return FRAME_HEADER_BYTES + bodyBytes;
}

/** A copy of both, in memory of its own. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = Buffer.allocUnsafeSlow(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
