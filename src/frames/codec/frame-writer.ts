import { invalidArgument } from '../../errors.js';
import {
  checkBodyLength,
  FRAME_HEADER_BYTES,
  FRAMING_VERSION,
  LONE_SURROGATE,
  MAX_U32,
  MAX_U64,
} from '../../wire/frame.js';
import type { FrameView, Uint64 } from './frame-view.js';

/** A frame to send. Fields that are left out are 0 or empty. */
export type OutgoingFrame = { readonly [Field in keyof FrameView]?: FrameView[Field] | undefined };

/** Payloads of this many bytes and more are lent to the socket instead of being copied. */
export const LENT_PAYLOAD_BYTES = 4 * 1024;

/** Small frames share blocks of this size. */
const BLOCK_BYTES = 32 * 1024;
/** Header, tags, lengths and numbers of a frame at their longest: 5 + 6 + 11 + 6 + 6 + 11 + 11 + 11 + 6 + 6. */
const MOST_FIELD_BYTES = 80;
/** The most bytes of UTF-8 that one unit of a JavaScript string takes. */
const MOST_BYTES_PER_UNIT = 3;
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Puts frames together for one write, without I/O. {@link add} frames, then {@link take} the pieces for one
 * `writev`. Frames with short payloads lie in one piece, one behind the other. A payload of
 * {@link LENT_PAYLOAD_BYTES} or more is a piece of its own, and not copied.
 */
export class FrameWriter {
  #block = Buffer.alloc(0);
  /** Where the piece begins that is being written. */
  #start = 0;
  #position = 0;
  #pieces: Uint8Array[] = [];
  #lentBytes = 0;
  #takenBytes = 0;

  /** How many bytes {@link take} will return. */
  get bytes(): number {
    return this.#takenBytes + this.#lentBytes + this.#position - this.#start;
  }

  /**
   * Adds a frame and returns its bytes on the wire. Fields are written in ascending order, and without
   * defaults. A lent payload must stay as it is until the kernel has it.
   *
   * @throws {BrokerPoolError} `FRAME_TOO_LARGE` for a body above 16 MiB, `INVALID_ARGUMENT` for a value that its
   * field cannot hold; nothing is added then.
   */
  add(frame: OutgoingFrame): number {
    const { payload = NOTHING, traceparent = '', tracestate = '' } = frame;
    // W-09: before anything is written or allocated.
    checkBodyLength(payload.length);
    const isLent = payload.length >= LENT_PAYLOAD_BYTES;
    const textBytes = (traceparent.length + tracestate.length) * MOST_BYTES_PER_UNIT;
    this.#reserve(MOST_FIELD_BYTES + textBytes + (isLent ? 0 : payload.length));
    const start = this.#position;
    try {
      return this.#write(frame, payload, isLent);
    } catch (error) {
      this.#position = start;
      throw error;
    }
  }

  /** The bytes of all frames that were added, in pieces. They never change. */
  take(): Uint8Array[] {
    if (this.#position > this.#start) this.#endPiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#takenBytes = this.#lentBytes = 0;
    return pieces;
  }

  #write(frame: OutgoingFrame, payload: Uint8Array, isLent: boolean): number {
    const start = this.#position;
    const { traceparent = '', tracestate = '' } = frame;
    this.#position = start + FRAME_HEADER_BYTES;
    this.#u32(0x08, 'envelopeVersion', frame.envelopeVersion);
    this.#enum(0x10, 'kind', frame.kind);
    this.#u32(0x18, 'payloadProtocol', frame.payloadProtocol);
    if (payload.length > 0) this.#length(0x22, payload.length);
    const payloadAt = this.#position;
    if (!isLent && payload.length > 0) {
      this.#block.set(payload, payloadAt);
      this.#position += payload.length;
    }
    this.#u64(0x28, 'requestId', frame.requestId);
    this.#enum(0x30, 'payloadEncoding', frame.payloadEncoding);
    this.#u64(0x38, 'deadlineUnixMs', frame.deadlineUnixMs);
    if (traceparent !== '') this.#text(0x42, 'traceparent', traceparent);
    if (tracestate !== '') this.#text(0x4a, 'tracestate', tracestate);
    const bodyBytes = this.#position - start - FRAME_HEADER_BYTES + (isLent ? payload.length : 0);
    checkBodyLength(bodyBytes);
    const block = this.#block;
    block[start] = FRAMING_VERSION;
    block[start + 1] = bodyBytes;
    block[start + 2] = bodyBytes >>> 8;
    block[start + 3] = bodyBytes >>> 16;
    block[start + 4] = bodyBytes >>> 24;
    if (isLent) this.#lend(payload, payloadAt);
    return FRAME_HEADER_BYTES + bodyBytes;
  }

  /** Puts a payload between the bytes that were written before it and those that follow. */
  #lend(payload: Uint8Array, payloadAt: number): void {
    const end = this.#position;
    this.#position = payloadAt;
    this.#endPiece();
    this.#position = end;
    this.#pieces.push(payload);
    this.#lentBytes += payload.length;
  }

  #endPiece(): void {
    this.#pieces.push(this.#block.subarray(this.#start, this.#position));
    this.#takenBytes += this.#position - this.#start;
    this.#start = this.#position;
  }

  #reserve(bytes: number): void {
    if (this.#block.length - this.#position >= bytes) return;
    if (this.#position > this.#start) this.#endPiece();
    // Outside Node's own pool: the block is a pool itself.
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes));
    this.#start = this.#position = 0;
  }

  #u32(tag: number, field: string, value: number = 0): void {
    if (value === 0) return;
    if (value >>> 0 !== value) throw misfit(field, `an integer from 0 to ${MAX_U32}`, value);
    this.#block[this.#position++] = tag;
    this.#varint(value);
  }

  #enum(tag: number, field: string, value: number = 0): void {
    if (value === 0) return;
    if ((value | 0) !== value) throw misfit(field, 'a 32-bit integer', value);
    this.#block[this.#position++] = tag;
    if (value > 0) this.#varint(value);
    else this.#longVarint(BigInt.asUintN(64, BigInt(value)));
  }

  #u64(tag: number, field: string, value: Uint64 = 0): void {
    if (typeof value === 'number') {
      if (value === 0) return;
      if (value < 0 || !Number.isSafeInteger(value))
        throw misfit(field, `an integer from 0 to ${MAX_U64}`, value);
      this.#block[this.#position++] = tag;
      this.#varint(value);
      return;
    }
    if (value === 0n) return;
    if (value < 0n || value > MAX_U64) throw misfit(field, `an integer from 0 to ${MAX_U64}`, value);
    this.#block[this.#position++] = tag;
    this.#longVarint(value);
  }

  #length(tag: number, length: number): void {
    this.#block[this.#position++] = tag;
    this.#varint(length);
  }

  #text(tag: number, field: string, text: string): void {
    const start = this.#position;
    this.#length(tag, text.length);
    const block = this.#block;
    let position = this.#position;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return this.#wideText(start, tag, field, text);
      block[position++] = unit;
    }
    this.#position = position;
  }

  /** Text that is not ASCII. */
  #wideText(start: number, tag: number, field: string, text: string): void {
    // Half a surrogate pair has no UTF-8 form, and a peer would reject the whole message for it (W-25).
    if (LONE_SURROGATE.test(text)) throw invalidArgument(field, 'must be well-formed Unicode');
    this.#position = start;
    this.#length(tag, Buffer.byteLength(text));
    this.#position += this.#block.write(text, this.#position);
  }

  #varint(value: number): void {
    const block = this.#block;
    let position = this.#position;
    let rest = value;
    for (; rest > MAX_U32; rest = Math.floor(rest / 0x80)) block[position++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) block[position++] = (rest & 0x7f) | 0x80;
    block[position++] = rest;
    this.#position = position;
  }

  #longVarint(value: bigint): void {
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.#block[this.#position++] = Number(rest & 0x7fn) | 0x80;
    this.#block[this.#position++] = Number(rest);
  }
}

function misfit(field: string, allowed: string, value: unknown): Error {
  return invalidArgument(field, `must be ${allowed}, not ${String(value)}`);
}
