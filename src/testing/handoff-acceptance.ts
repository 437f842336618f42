import type { Socket } from 'node:net';
import { monotonicNowMs, systemClock } from '../clock.js';
import { wouldBlock } from '../os/errno.js';
import type { HandlePassing } from '../os/handle-passing.js';
import type { SystemCalls } from '../os/native.js';
import { descriptorOf } from '../os/socket-handle.js';
import { checkEnvelope } from '../wire/envelope.js';
import {
  decodeFrame,
  decodeHandoffOffer,
  FrameKind,
  HANDOFF_TOKEN_BYTES,
  PayloadProtocol,
  type HandoffOffer,
} from '../wire/messages.js';
import { readFirstFrame } from './first-frame.js';

/** A connection that a broker offers. */
export interface ReceivedOffer {
  /** The client's connection. The receiver serves or closes it. */
  readonly descriptor: number;
  readonly offer: HandoffOffer;
}

const LONGEST_PAUSE_MS = 16;

/**
 * Reads an offer from a connection that was accepted without reading: token and descriptor in one message
 * (H-05), then the frame (H-20 to H-22). `undefined` if it does not come within the limit or is not valid; no
 * descriptor stays open then (H-25).
 */
export async function receiveOffer(
  socket: Socket,
  passing: HandlePassing,
  system: SystemCalls,
  timeoutMs: number,
): Promise<ReceivedOffer | undefined> {
  const deadlineMs = monotonicNowMs() + timeoutMs;
  const sideband = Buffer.alloc(HANDOFF_TOKEN_BYTES);
  const descriptor = await receiveDescriptor(socket, passing, system, sideband, deadlineMs);
  if (descriptor < 0) return undefined;
  const frame = await readFirstFrame(socket, deadlineMs - monotonicNowMs());
  const offer = frame.kind === 'frame' ? checkedOffer(frame.body, sideband) : undefined;
  if (offer !== undefined) return { descriptor, offer };
  system.close(descriptor);
  return undefined;
}

/** Fills `sideband` and returns the descriptor that came with it, or -1. */
async function receiveDescriptor(
  socket: Socket,
  passing: HandlePassing,
  system: SystemCalls,
  sideband: Uint8Array,
  deadlineMs: number,
): Promise<number> {
  let descriptor = -1;
  let filled = 0;
  let pauseMs = 0;
  for (;;) {
    const received = passing.receiveHandle(descriptorOf(socket), sideband.subarray(filled));
    if (received.descriptor >= 0) {
      if (descriptor >= 0) system.close(descriptor);
      descriptor = received.descriptor;
    }
    if (received.bytes > 0) filled += received.bytes;
    if (filled === sideband.length) return descriptor;
    const isOver = received.bytes <= 0 && !wouldBlock(received.bytes);
    if (isOver || monotonicNowMs() >= deadlineMs) break;
    // Node cannot wait for readability without reading. A broker sends with the connect, so the bytes are
    // nearly always there.
    await pause(pauseMs);
    pauseMs = Math.min(Math.max(1, pauseMs * 2), LONGEST_PAUSE_MS);
  }
  if (descriptor >= 0) system.close(descriptor);
  return -1;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds === 0) systemClock.afterTurn(resolve);
    else systemClock.schedule(milliseconds, resolve, true);
  });
}

function checkedOffer(body: Uint8Array, sideband: Buffer): HandoffOffer | undefined {
  try {
    const frame = decodeFrame(body);
    if (checkEnvelope(frame, { kind: FrameKind.REQUEST, protocol: PayloadProtocol.HANDOFF }) !== undefined)
      return undefined;
    const offer = decodeHandoffOffer(frame.payload);
    return frame.requestId === offer.correlationId && sideband.equals(offer.token) ? offer : undefined;
  } catch {
    return undefined;
  }
}
