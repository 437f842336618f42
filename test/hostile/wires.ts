/** Frames of a broker, sound ones and others, as they go over the wire. */
import { encodeTree, messages, TOKEN } from './message-tree.js';
import { frame } from './streams.js';

export const OTHER_TOKEN = TOKEN.map((byte) => byte ^ 0xff);

export function negotiatedWire(pipe: string, token: Uint8Array = TOKEN, capabilities = 1n): Uint8Array {
  return frame(encodeTree(messages.negotiated(pipe, token, capabilities)));
}

export function readyWire(token: Uint8Array = TOKEN, accepted = 1n, correlation = 1n): Uint8Array {
  return frame(encodeTree(messages.ready(token, accepted, correlation)));
}

export function refusedWire(code: bigint): Uint8Array {
  return frame(encodeTree(messages.refused(code)));
}

export const NO_RESULT_WIRE = frame(encodeTree(messages.noResult()));
export const ADMIN_WIRE = frame(encodeTree(messages.admin()));

/** A header that announces so many bytes, with nothing behind it. */
export function header(bodyBytes: number): Uint8Array {
  return frame(new Uint8Array(0), bodyBytes);
}
