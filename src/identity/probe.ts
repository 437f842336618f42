import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { onAbort } from '../abort.js';
import { systemClock } from '../clock.js';
import { BrokerPoolError, printable } from '../errors.js';
import { FrameReader } from '../frames/codec/frame-reader.js';
import { uint64, type FrameView } from '../frames/codec/frame-view.js';
import { FrameWriter } from '../frames/codec/frame-writer.js';
import { writeTogether } from '../os/write-together.js';
import { FrameKind, PayloadEncoding, PayloadProtocol, PROTOCOL_VERSION } from '../wire/envelope.js';
import { decodeDaemonProcess, PROBE_NONCE_BYTES, type DaemonProcess } from '../wire/messages.js';
import { differenceOf, identityMismatch } from './verify-process.js';

/**
 * Asks the process behind a connection who it is, and compares the answer with an identity. The connection is
 * paused afterwards, and free for requests (P-23).
 *
 * @param deadlineMs on the monotonic clock
 * @param timeoutMs for messages: the span that led to `deadlineMs`
 * @throws {BrokerPoolError} `IDENTITY_MISMATCH`; `TIMEOUT` (phase `probe`); `ABORTED`; `UNEXPECTED_EOF`,
 * `FRAME_IO` and the codes of frames for an answer that is none
 */
export async function probe(socket: Socket, expected: DaemonProcess, limits: ProbeLimits): Promise<void> {
  const nonce = randomBytes(PROBE_NONCE_BYTES);
  const requestId = uint64(nonce.readBigUInt64LE());
  const answer = firstFrame(socket, limits);
  const writer = new FrameWriter();
  // P-20: a probe is the nonce alone, under a request id that is the first 8 bytes of it.
  writer.add({
    envelopeVersion: PROTOCOL_VERSION,
    payloadProtocol: PayloadProtocol.IDENTITY_PROBE,
    payload: nonce,
    requestId,
  });
  writeTogether(socket, writer.take());
  checkAnswer(await answer, nonce, requestId, expected);
}

export interface ProbeLimits {
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Keep the process alive until the answer. @default true */
  readonly keepAlive?: boolean;
}

function checkAnswer(
  frame: FrameView,
  nonce: Uint8Array,
  requestId: FrameView['requestId'],
  expected: DaemonProcess,
): void {
  const isAnswer =
    frame.envelopeVersion === PROTOCOL_VERSION &&
    frame.kind === FrameKind.RESPONSE &&
    frame.payloadProtocol === PayloadProtocol.IDENTITY_PROBE &&
    frame.payloadEncoding === PayloadEncoding.NONE &&
    frame.requestId === requestId;
  if (!isAnswer) throw new BrokerPoolError('UNEXPECTED_RESPONSE_FRAME', 'the answer to the probe is none');
  if (Buffer.compare(frame.payload.subarray(0, PROBE_NONCE_BYTES), nonce) !== 0)
    throw identityMismatch('it answered the probe with another nonce');
  const difference = differenceOf(decodeDaemonProcess(frame.payload.subarray(PROBE_NONCE_BYTES)), expected);
  if (difference !== undefined) throw identityMismatch(`it has ${difference}`);
}

/** The first frame that arrives, when no byte follows it. Pauses the socket. */
function firstFrame(
  socket: Socket,
  { deadlineMs, timeoutMs, signal, keepAlive = true }: ProbeLimits,
): Promise<FrameView> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader();
    let stopListening = (): void => {};
    const stop = (): void => {
      limit.cancel();
      stopListening();
      socket.off('data', onData).off('end', onEnd).off('error', onError).pause();
    };
    const fail = (error: BrokerPoolError): void => {
      stop();
      reject(error);
    };
    const onData = (piece: Uint8Array): void => {
      reader.push(piece);
      try {
        const frame = reader.read();
        if (frame === undefined) return;
        if (reader.unreadBytes > 0) throw identityMismatch('it sent more than an answer to the probe');
        stop();
        resolve(frame);
      } catch (error) {
        if (!(error instanceof BrokerPoolError)) throw error;
        fail(error);
      }
    };
    const onEnd = (): void => {
      const message = 'the backend closed the connection instead of answering the probe';
      fail(reader.endOfInput() ?? new BrokerPoolError('UNEXPECTED_EOF', message));
    };
    const onError = (cause: Error): void => {
      fail(new BrokerPoolError('FRAME_IO', `the probe failed: ${printable(cause.message)}`, { cause }));
    };
    const limit = systemClock.deadline(
      deadlineMs - systemClock.now(),
      () =>
        fail(
          new BrokerPoolError('TIMEOUT', `no answer to the probe within ${timeoutMs} ms`, { phase: 'probe' }),
        ),
      keepAlive,
    );
    if (signal !== undefined)
      stopListening = onAbort(signal, () => fail(new BrokerPoolError('ABORTED', 'the probe was aborted')));
    socket.on('data', onData).on('end', onEnd).on('error', onError).resume();
  });
}
