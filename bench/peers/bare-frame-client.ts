import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameWriter } from '../../src/frames/codec/frame-writer.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import { Latencies } from '../harness/statistics.js';
import type { FrameClient, FrameLoad } from './frame-clients.js';

/** The kind RESPONSE, which a request lacks. */
const KIND_BYTES = 2;

/**
 * Ready-made frames over a bare socket: the floor of what a Node process can do. For each answer that has come it
 * sends one request; it knows the answers by their bytes alone, and compares nothing.
 */
export function bareFrameClient(name: string, endpoint: string, load: FrameLoad): FrameClient {
  const socket = connect(endpoint);
  const { requests, requestBytes } = requestsOf(load);
  const answerBytes = requestBytes + KIND_BYTES;
  return {
    name,
    role: 'floor',
    async turn({ operations, milliseconds }) {
      if (socket.connecting) await once(socket, 'connect');
      const startedMs = performance.now();
      const isOver = (sent: number): boolean =>
        sent >= operations && performance.now() - startedMs > milliseconds;
      const count = await pipeline(socket, answerBytes, (answers, sent) => {
        const wanted = sent === 0 ? load.callers : isOver(sent) ? 0 : answers;
        if (wanted > 0) socket.write(requests.subarray(0, wanted * requestBytes));
        return wanted;
      });
      return {
        latencies: new Latencies(),
        perSecond: (count / (performance.now() - startedMs)) * 1_000,
      };
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
}

/** Sends while `send` does; resolves with the number of answers when all have come. */
function pipeline(
  socket: Socket,
  answerBytes: number,
  send: (answers: number, sent: number) => number,
): Promise<number> {
  return new Promise((resolve) => {
    let sent = send(0, 0);
    let answered = 0;
    let bytes = 0;
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      const answers = Math.floor(bytes / answerBytes);
      bytes %= answerBytes;
      answered += answers;
      sent += send(answers, sent);
      if (answered < sent) return;
      socket.off('data', onData);
      resolve(answered);
    };
    socket.on('data', onData);
  });
}

/** As many requests as are in flight; their ids have one byte each. */
function requestsOf({ bytes, callers }: FrameLoad): { requests: Buffer; requestBytes: number } {
  const writer = new FrameWriter();
  const payload = Buffer.alloc(bytes, 7);
  for (let requestId = 1; requestId <= callers; requestId++)
    writer.add({ envelopeVersion: 1, payloadProtocol: ECHO_PROTOCOL, payload, requestId });
  const requests = Buffer.concat(writer.take());
  return { requests, requestBytes: requests.length / callers };
}
