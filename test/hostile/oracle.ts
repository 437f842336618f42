/**
 * What must become of a broker's bytes, computed from the rules of the protocol and nothing of the package's
 * own decoders.
 */
import type { ErrorCode } from '../../src/errors.js';
import { Malformed, textOf, wireFields, type WireField } from './protobuf.js';

/** The request of the client: a Hello with or without adoption, or an admin request. */
export type Mode = 'reconnecting' | 'adopting' | 'admin';

/**
 * How an exchange must end. `pipe` is what is dialled, or may be later; `residueBytes` came behind the last
 * frame that was read.
 */
export type Verdict =
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly refusalCode?: number;
      readonly retryAfterMs?: number;
    }
  | { readonly kind: 'reconnect'; readonly pipe: string }
  | { readonly kind: 'adopt'; readonly pipe: string; readonly residueBytes: number }
  | { readonly kind: 'answer'; readonly exitCode: number; readonly body: string };

const CAP_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 5;
const CONTROL = 0;
const ADMIN = 0xad01;
const HANDOFF = 0xd0ff;
const RESPONSE = 1n;
const EVENT = 2n;
const HIGHEST_REFUSAL_CODE = 9;

/** The next frame of a stream (W-01, W-06, W-07, W-10). */
export type FirstFrame =
  | { readonly body: Uint8Array; readonly rest: Uint8Array }
  | { readonly code: ErrorCode };

/** A stream that ends inside a frame, or before it, is `UNEXPECTED_EOF`. */
export function firstFrame(stream: Uint8Array): FirstFrame {
  const [version] = stream;
  if (version === undefined) return { code: 'UNEXPECTED_EOF' };
  if (version !== 1) return { code: 'FRAMING_VERSION' };
  if (stream.length < HEADER_BYTES) return { code: 'UNEXPECTED_EOF' };
  const [, a = 0, b = 0, c = 0, d = 0] = stream;
  const bodyBytes = a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24;
  if (bodyBytes > CAP_BYTES) return { code: 'FRAME_TOO_LARGE' };
  const end = HEADER_BYTES + bodyBytes;
  if (stream.length < end) return { code: 'UNEXPECTED_EOF' };
  return { body: stream.subarray(HEADER_BYTES, end), rest: stream.subarray(end) };
}

/** The verdict on everything that a broker sends before it ends the connection. */
export function judge(mode: Mode, stream: Uint8Array): Verdict {
  const frame = firstFrame(stream);
  if ('code' in frame) return { kind: 'failed', code: frame.code };
  const payload = payloadOf(frame.body, RESPONSE, mode === 'admin' ? ADMIN : CONTROL);
  if (typeof payload === 'string') return { kind: 'failed', code: payload };
  return mode === 'admin' ? judgeAnswer(payload) : judgeHelloReply(payload, frame.rest, mode);
}

/** The payload, or the fault of the frame around it (W-50, C-33). */
function payloadOf(body: Uint8Array, kind: bigint, protocol: number): Uint8Array | ErrorCode {
  const frame = fieldsOf(body, FRAME);
  if (frame === undefined) return 'DECODE_FRAME';
  const isExpected =
    number(frame, 1, 32) === 1n &&
    number(frame, 2, 32) === kind &&
    number(frame, 3, 32) === BigInt(protocol) &&
    number(frame, 6, 32) === 0n;
  return isExpected ? bytes(frame, 4) : 'UNEXPECTED_RESPONSE_FRAME';
}

function judgeAnswer(payload: Uint8Array): Verdict {
  const reply = fieldsOf(payload, ADMIN_REPLY);
  if (reply === undefined) return { kind: 'failed', code: 'DECODE_ADMIN_REPLY' };
  return { kind: 'answer', exitCode: Number(number(reply, 3, 32)), body: text(reply, 2) };
}

interface Negotiated {
  readonly pipe: string;
  readonly token: Uint8Array;
  readonly canHandOff: boolean;
}

function judgeHelloReply(payload: Uint8Array, rest: Uint8Array, mode: Mode): Verdict {
  const result = resultOf(payload);
  if (result === undefined) return { kind: 'failed', code: 'DECODE_HELLO_REPLY' };
  if (result === 'missing') return { kind: 'failed', code: 'MISSING_HELLO_REPLY_RESULT' };
  if ('refusalCode' in result) return { kind: 'failed', code: 'REFUSED', ...result };
  const { pipe, token, canHandOff } = result;
  if (mode === 'adopting' && canHandOff && token.length > 0) {
    const frame = firstFrame(rest);
    if (!('code' in frame) && confirms(frame.body, token))
      return { kind: 'adopt', pipe: dialled(pipe) ?? '', residueBytes: frame.rest.length };
  }
  if (pipe === '') return { kind: 'failed', code: 'EMPTY_BACKEND_PIPE' };
  const endpoint = dialled(pipe);
  return endpoint === undefined
    ? { kind: 'failed', code: 'BACKEND_CONNECT' }
    : { kind: 'reconnect', pipe: endpoint };
}

/**
 * What a client dials for the name of a backend; `undefined` for one that no address of this system holds
 * (C-18, N-06, N-07).
 */
function dialled(pipe: string): string | undefined {
  const name = Buffer.from(pipe);
  if (process.platform === 'win32') {
    const leaf = pipe.replace(/^[\\/]{2}[.?][\\/]pipe[\\/]/i, '');
    const parts = leaf.split(/[\\/]/);
    const isDrive = leaf === pipe && /^[a-z]:/i.test(leaf);
    const leads = isDrive || leaf.includes('\0') || parts.some((part) => ['', '.', '..'].includes(part));
    const endpoint = `\\\\.\\pipe\\${parts.join('\\')}`;
    return leads || endpoint.length > 260 ? undefined : endpoint;
  }
  const isLinux = process.platform === 'linux';
  if (isLinux && name[0] === 0) return name.length > 1 && name.length <= 108 ? pipe : undefined;
  const isPath = name[0] === 0x2f && name.indexOf(0) === -1;
  return isPath && name.length < (isLinux ? 108 : 104) ? pipe : undefined;
}

/** C-43. */
function confirms(body: Uint8Array, token: Uint8Array): boolean {
  const payload = payloadOf(body, EVENT, HANDOFF);
  if (typeof payload === 'string') return false;
  const ack = fieldsOf(payload, HANDOFF_ACK);
  return ack !== undefined && Buffer.compare(bytes(ack, 1), token) === 0 && number(ack, 2, 64) !== 0n;
}

/** W-33: of a oneof the last one counts, and repeats of the same one are merged. */
function resultOf(
  payload: Uint8Array,
): Negotiated | { refusalCode: number; retryAfterMs: number } | 'missing' | undefined {
  const reply = fieldsOf(payload, {});
  if (reply === undefined) return undefined;
  const parts = reply.filter(({ number: field, wireType }) => wireType === 2 && (field === 1 || field === 2));
  // Each must be sound, whether it counts or not.
  const sound = parts.every(
    (part) => fieldsOf(part.bytes, part.number === 1 ? NEGOTIATED : REFUSED, 1) !== undefined,
  );
  if (!sound) return undefined;
  const which = parts.at(-1)?.number;
  if (which === undefined) return 'missing';
  const begin = parts.findLastIndex((part) => part.number !== which) + 1;
  const merged = parts.slice(begin).flatMap((part) => fieldsOf(part.bytes, {}, 1) ?? []);
  if (which === 1)
    return {
      pipe: text(merged, 3),
      token: bytes(merged, 7),
      canHandOff: (number(merged, 5, 64) & 1n) === 1n,
    };
  const code = Number(BigInt.asIntN(32, number(merged, 4, 32)));
  return {
    refusalCode: code >= 0 && code <= HIGHEST_REFUSAL_CODE ? code : 0,
    retryAfterMs: Number(number(merged, 6, 64)),
  };
}

/** The numbers of a message's fields, by kind. */
interface Kinds {
  readonly varints?: readonly number[];
  readonly texts?: readonly number[];
  readonly maps?: readonly number[];
}

const FRAME: Kinds = { varints: [1, 2, 3, 5, 6, 7], texts: [8, 9] };
const NEGOTIATED: Kinds = { varints: [1, 5, 6, 8], texts: [2, 3, 4] };
const REFUSED: Kinds = { varints: [2, 3, 4, 6], texts: [1], maps: [5] };
const HANDOFF_ACK: Kinds = { varints: [2, 4], texts: [3] };
const ADMIN_REPLY: Kinds = { varints: [1, 3], texts: [2, 4] };

/** The fields of a message; `undefined` if it is malformed, or a string in it is not UTF-8 (W-25). */
function fieldsOf(message: Uint8Array, kinds: Kinds, depth = 0): WireField[] | undefined {
  try {
    const fields = wireFields(message, depth);
    for (const field of fields) {
      if (field.overlong && kinds.varints?.includes(field.number)) return undefined;
      if (field.wireType !== 2) continue;
      if (kinds.texts?.includes(field.number)) textOf(field);
      if (kinds.maps?.includes(field.number)) {
        // protobufjs does not count the entry of a map as a level.
        for (const part of wireFields(field.bytes, depth))
          if (part.wireType === 2 && part.number <= 2) textOf(part);
      }
    }
    return fields;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** The last of a scalar field counts; another wire type makes it an unknown field (W-22). */
function number(fields: readonly WireField[], field: number, bits: number): bigint {
  return BigInt.asUintN(
    bits,
    fields.findLast((one) => one.number === field && one.wireType === 0)?.varint ?? 0n,
  );
}

function bytes(fields: readonly WireField[], field: number): Uint8Array {
  return fields.findLast((one) => one.number === field && one.wireType === 2)?.bytes ?? new Uint8Array(0);
}

function text(fields: readonly WireField[], field: number): string {
  const found = fields.findLast((one) => one.number === field && one.wireType === 2);
  return found === undefined ? '' : textOf(found);
}
