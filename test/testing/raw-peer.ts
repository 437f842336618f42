import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameDecoder } from '../../src/wire/frame.js';
import {
  CAPABILITY_HANDLE_PASSING,
  decodeFrame,
  decodeHelloReply,
  encodeFrameToWire,
  encodeHello,
  PayloadProtocol,
  type Frame,
  type Hello,
  type HelloResult,
} from '../../src/wire/messages.js';

/** A Hello that every broker accepts, with changes. */
export function helloPayload(changes: Partial<Hello> = {}): Uint8Array {
  return encodeHello({
    clientMinProtocol: 1,
    clientMaxProtocol: 1,
    serviceName: 'echo',
    wantedVersion: '1.0.0',
    clientCapabilities: CAPABILITY_HANDLE_PASSING,
    ...changes,
  });
}

/** A request frame, by default a control frame with trace context. */
export function request(payload: Uint8Array, changes: Partial<Frame> = {}): Uint8Array {
  return encodeFrameToWire({
    envelopeVersion: 1,
    payloadProtocol: PayloadProtocol.CONTROL,
    payload,
    requestId: 7n,
    traceparent: 'parent',
    tracestate: 'state',
    ...changes,
  });
}

export async function dial(endpoint: string): Promise<Socket> {
  const socket = connect({ path: endpoint, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** Everything the peer sends until it ends or closes. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
    // Either event may have come before.
    if (socket.destroyed || socket.readableEnded) resolve();
  });
  socket.destroy();
  return Buffer.concat(chunks);
}

/** Sends bytes and returns everything that comes back. */
export async function exchange(endpoint: string, bytes: Uint8Array): Promise<Buffer> {
  const socket = await dial(endpoint);
  socket.write(bytes);
  return readToEnd(socket);
}

/** The next `length` bytes. */
export async function readBytes(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: unknown = socket.read(length);
    if (Buffer.isBuffer(bytes)) return bytes;
    await once(socket, 'readable');
  }
}

/** The frames in a stream that holds nothing else. */
export function framesIn(stream: Uint8Array): Frame[] {
  const decoder = new FrameDecoder();
  decoder.push(stream);
  const frames: Frame[] = [];
  for (let body = decoder.read(); body !== undefined; body = decoder.read()) frames.push(decodeFrame(body));
  if (decoder.residue().length > 0) throw new Error('bytes behind the last frame');
  return frames;
}

/** The one HelloReply in a stream, and its frame. */
export function replyIn(stream: Uint8Array): { frame: Frame; result: HelloResult | undefined } {
  const [frame, more] = framesIn(stream);
  if (frame === undefined || more !== undefined) throw new Error('not exactly one frame');
  return { frame, result: decodeHelloReply(frame.payload).result };
}
