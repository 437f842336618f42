import { decodeFrame } from '../../wire/envelope.js';
import { uint64, type FrameView, type TakePayload, type Uint64 } from './frame-view.js';

const NOTHING: Uint8Array = new Uint8Array(0);
/** Varints of up to 7 bytes hold 49 bits, which a number holds exactly. */
const FAST_VARINT_BYTES = 7;
/** The highest field of a Frame. */
const LAST_FIELD = 9;

/**
 * Reads the usual forms of an encoded Frame in one pass, without copying: at about a tenth of the cost of the
 * generic codec. Other forms are left to the generic codec, so that both agree on every input: groups, varints of 8
 * bytes and more, text that is not ASCII, tags in an unusual form, and broken bodies.
 */
class BodyScanner {
  #bytes = NOTHING;
  #position = 0;
  #end = 0;
  #isUnusual = false;

  /** `undefined` for a body that the generic codec has to read. */
  scan(bytes: Uint8Array, start: number, end: number, take: TakePayload): FrameView | undefined {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#isUnusual = false;
    let envelopeVersion = 0;
    let kind = 0;
    let payloadProtocol = 0;
    let payload = NOTHING;
    let requestId: Uint64 = 0;
    let payloadEncoding = 0;
    let deadlineUnixMs: Uint64 = 0;
    let traceparent = '';
    let tracestate = '';
    while (this.#position < end && !this.#isUnusual) {
      const tag = bytes[this.#position++]!;
      switch (tag) {
        case 0x08:
          envelopeVersion = this.#varint() >>> 0;
          break;
        case 0x10:
          kind = this.#varint() | 0;
          break;
        case 0x18:
          payloadProtocol = this.#varint() >>> 0;
          break;
        case 0x22: {
          const length = this.#length();
          payload = take(bytes, this.#position - length, this.#position);
          break;
        }
        case 0x28:
          requestId = this.#varint();
          break;
        case 0x30:
          payloadEncoding = this.#varint() | 0;
          break;
        case 0x38:
          deadlineUnixMs = this.#varint();
          break;
        case 0x42:
          traceparent = this.#text();
          break;
        case 0x4a:
          tracestate = this.#text();
          break;
        default:
          this.#position--;
          this.#skipField();
      }
    }
    this.#bytes = NOTHING;
    if (this.#isUnusual) return undefined;
    return {
      envelopeVersion,
      kind,
      payloadProtocol,
      payload,
      requestId,
      payloadEncoding,
      deadlineUnixMs,
      traceparent,
      tracestate,
    };
  }

  #varint(): number {
    const bytes = this.#bytes;
    if (this.#position >= this.#end) return this.#giveUp();
    let byte = bytes[this.#position++]!;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < FAST_VARINT_BYTES && this.#position < this.#end; count++) {
      byte = bytes[this.#position++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    return this.#giveUp();
  }

  /** Steps over a field's bytes and returns how many they are. */
  #length(): number {
    const length = this.#varint();
    if (length > this.#end - this.#position) return this.#giveUp();
    this.#position += length;
    return length;
  }

  #text(): string {
    const length = this.#length();
    const start = this.#position - length;
    for (let index = start; index < this.#position; index++) {
      if (this.#bytes[index]! >= 0x80) return (this.#giveUp(), '');
    }
    const { buffer, byteOffset } = this.#bytes;
    return Buffer.from(buffer, byteOffset + start, length).toString('latin1');
  }

  /** Fields that protocol v1 does not know are skipped (W-22). */
  #skipField(): void {
    const tag = this.#varint();
    const field = Math.floor(tag / 8);
    if (field <= LAST_FIELD || tag > 0xffff_ffff) return void this.#giveUp();
    const wireType = tag % 8;
    if (wireType === 0) this.#varint();
    else if (wireType === 2) this.#length();
    else if (wireType === 1 || wireType === 5) {
      this.#position += wireType === 1 ? 8 : 4;
      if (this.#position > this.#end) this.#giveUp();
    } else this.#giveUp();
  }

  #giveUp(): 0 {
    this.#isUnusual = true;
    return 0;
  }
}

const scanner = new BodyScanner();

/**
 * Decodes the Frame message that lies in `bytes` from `start` to `end`. `take` gives the payload out of them; only a
 * body in an unusual form has its payload copied.
 *
 * @throws {BrokerPoolError} `DECODE_FRAME` when it is not a Frame
 */
export function decodeFrameBody(bytes: Uint8Array, start: number, end: number, take: TakePayload): FrameView {
  const frame = scanner.scan(bytes, start, end, take);
  if (frame !== undefined) return frame;
  const { requestId, deadlineUnixMs, payload, ...fields } = decodeFrame(bytes.subarray(start, end));
  return {
    ...fields,
    payload: take(payload, 0, payload.length),
    requestId: uint64(requestId),
    deadlineUnixMs: uint64(deadlineUnixMs),
  };
}
