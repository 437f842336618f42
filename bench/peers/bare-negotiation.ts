import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { descriptorOf } from '../../src/os/socket-handle.js';

/** Not imported: `cold-start` counts what a way loads. */
const FRAME_HEADER_BYTES = 5;

/**
 * What a negotiation needs: its two connects and the wait for the broker, with a ready-made Hello. The reply is
 * counted and not decoded, nothing is checked. A floor of processor time, not of elapsed time: whether the broker
 * looks before the Hello is written, and then sleeps 5 ms, is left to chance.
 */
export function bareNegotiate(
  brokerEndpoint: string,
  backendEndpoint: string,
  hello: Uint8Array,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const broker = connect(brokerEndpoint).once('error', reject);
    // Before the broker looks (V-21). 'connect' comes too late for that.
    writeSync(descriptorOf(broker), hello);
    let reply = Buffer.alloc(0);
    broker.on('data', (piece: Buffer) => {
      reply = Buffer.concat([reply, piece]);
      // Header and body are two writes (W-12). A broker that cannot write the second one ends (V-31).
      if (reply.length < FRAME_HEADER_BYTES || reply.length < FRAME_HEADER_BYTES + reply.readUInt32LE(1))
        return;
      broker.destroy();
      const socket = connect(backendEndpoint, () => resolve(socket)).once('error', reject);
    });
  });
}
