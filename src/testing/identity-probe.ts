import type { Socket } from 'node:net';
import { startedAtUnixMs, systemClock } from '../clock.js';
import { executablePath, linuxBootId } from '../identity/host-identity.js';
import { checkEnvelope } from '../wire/envelope.js';
import { FRAME_HEADER_BYTES } from '../wire/frame.js';
import {
  decodeFrame,
  encodeDaemonProcess,
  encodeFrameToWire,
  FrameKind,
  PayloadProtocol,
  PROBE_NONCE_BYTES,
  responseTo,
  type DaemonProcess,
  type Frame,
} from '../wire/messages.js';

/**
 * How every identity probe begins, `undefined` standing for any byte: a header with a body below 64 KiB, then
 * envelope version 1, kind REQUEST (which is left out, being 0) and protocol 0xB232. Protobuf encoders write
 * fields in ascending order.
 */
const PROBE_START = [0x01, undefined, undefined, 0x00, 0x00, 0x08, 0x01, 0x18, 0xb2, 0xe4, 0x02] as const;

/** How long the bytes of an incomplete probe are kept back from `serve`. */
const INCOMPLETE_PROBE_MS = 50;

/**
 * Answers the identity probes at the start of a connection (P-02) and gives all other bytes to `serve`.
 *
 * Puts bytes back, unread, as soon as they differ from {@link PROBE_START} or the whole frame is no valid probe:
 * a stream may begin like a probe. A stream that pauses in the middle of such a beginning waits 50 ms. Probes
 * behind other bytes belong to the stream.
 */
export function answerProbes(
  socket: Socket,
  identity: DaemonProcess,
  onProbe: () => void,
  serve: () => void,
): void {
  let held: Buffer = Buffer.alloc(0);
  let cancelPatience = (): void => {};

  const stop = (): void => {
    cancelPatience();
    socket.off('data', onData).off('end', onEnd).off('close', stop);
  };
  const onData = (chunk: Buffer): void => {
    cancelPatience();
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const step = readProbe(held);
      if (step.kind === 'other') return giveBack();
      if (step.kind === 'incomplete') break;
      socket.write(probeReply(step.probe, identity));
      held = held.subarray(step.bytes);
      onProbe();
    }
    if (held.length > 0) cancelPatience = systemClock.schedule(INCOMPLETE_PROBE_MS, giveBack, true);
  };
  const giveBack = (): void => {
    stop();
    socket.pause();
    socket.unshift(held);
    serve();
  };
  const onEnd = (): void => {
    stop();
    // Nothing can be put back into a stream that has ended: the half probe is echoed from here.
    socket.end(held);
  };
  socket.on('data', onData).on('end', onEnd).on('close', stop);
}

type ProbeStep =
  | { readonly kind: 'other' }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'probe'; readonly probe: Frame; readonly bytes: number };

function readProbe(held: Buffer): ProbeStep {
  for (const [index, expected] of PROBE_START.entries()) {
    if (index >= held.length) return { kind: 'incomplete' };
    if (expected !== undefined && held[index] !== expected) return { kind: 'other' };
  }
  const bytes = FRAME_HEADER_BYTES + held.readUInt32LE(1);
  if (held.length < bytes) return { kind: 'incomplete' };
  try {
    const probe = decodeFrame(held.subarray(FRAME_HEADER_BYTES, bytes));
    const isProbe =
      checkEnvelope(probe, { kind: FrameKind.REQUEST, protocol: PayloadProtocol.IDENTITY_PROBE }) ===
        undefined && probe.payload.length === PROBE_NONCE_BYTES;
    return isProbe ? { kind: 'probe', probe, bytes } : { kind: 'other' };
  } catch {
    return { kind: 'other' };
  }
}

/** The nonce and the identity; repeats the trace context (P-02). */
function probeReply(probe: Frame, identity: DaemonProcess): Uint8Array {
  const payload = Buffer.concat([probe.payload, encodeDaemonProcess(identity)]);
  return encodeFrameToWire(responseTo(probe, payload));
}

/**
 * The identity of this process. The hash is 32 zero bytes: hashing Node's own executable in JavaScript takes
 * seconds (L-16). To pass a real broker's check, replace it.
 */
export function ownIdentity(endpoint: string): DaemonProcess {
  return {
    pid: process.pid,
    exePath: executablePath(),
    ipcEndpoint: { namespaceId: 'shared', path: endpoint },
    startedAtUnixMs: BigInt(Math.round(startedAtUnixMs)),
    // Other systems need a command for it; a broker does not compare an empty one (P-05, P-10).
    bootId: process.platform === 'linux' ? linuxBootId() : '',
    exeHashAlgorithm: 'blake3',
    exeHash: new Uint8Array(32),
  };
}
