import { connect, type Socket } from 'node:net';
import type { TestTarget } from '../../src/testing/index.js';
import { FrameDecoder } from '../../src/wire/frame.js';
import {
  decodeFrame,
  decodeHelloReply,
  encodeFrameToWire,
  encodeHello,
  FrameKind,
  PayloadProtocol,
  PROTOCOL_VERSION,
} from '../../src/wire/messages.js';

/**
 * A first attempt at a client: connect, and send the Hello when 'connect' fires. By then the real broker has
 * looked, found nothing, and gone to sleep for 5 ms (V-21).
 */
export async function naiveNegotiate(target: TestTarget): Promise<Socket> {
  const backend = await new Promise<string>((resolve, reject) => {
    const decoder = new FrameDecoder();
    const socket = connect(target.brokerEndpoint);
    socket.on('error', reject);
    socket.on('connect', () => socket.write(helloFrame(target, process.pid)));
    socket.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      const body = decoder.read();
      if (body === undefined) return;
      const { result } = decodeHelloReply(decodeFrame(body).payload);
      socket.destroy();
      if (result?.kind === 'negotiated') resolve(result.negotiated.backendPipe);
      else reject(new Error(`not negotiated: ${result?.refused.reason ?? 'no result'}`));
    });
  });
  return await bareConnect(backend);
}

/** @param peerPid of the process that says it; 0 claims none */
export function helloFrame({ serviceName, wantedVersion }: TestTarget, peerPid: number): Uint8Array {
  const versions = { clientMinProtocol: PROTOCOL_VERSION, clientMaxProtocol: PROTOCOL_VERSION };
  return encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.CONTROL,
    payload: encodeHello({
      ...versions,
      serviceName,
      wantedVersion,
      requestId: 'hello',
      peerPid,
    }),
    requestId: 1n,
  });
}

/** The floor: a connection to an endpoint that is known. */
export function bareConnect(endpoint: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(endpoint, () => resolve(socket));
    socket.on('error', reject);
  });
}
