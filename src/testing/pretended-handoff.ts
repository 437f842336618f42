import { randomBytes } from 'node:crypto';
import { readyEvent } from '../wire/handoff-frames.js';
import { encodeFrameToWire, HANDOFF_TOKEN_BYTES, type Frame, type Negotiated } from '../wire/messages.js';
import { waited, type HandoffBehaviour } from './behaviour.js';
import type { BrokerSideConnection } from './broker-side-connection.js';

/** A handoff in messages only, without a descriptor: the broker itself serves the connection, as an echo. */
export async function pretendHandoff(
  client: BrokerSideConnection,
  reply: Partial<Frame>,
  { connectionId: correlationId, handlePassedToken: token }: Negotiated,
  behaviour: HandoffBehaviour,
): Promise<'close' | 'keep'> {
  const wire = encodeFrameToWire(reply);
  switch (behaviour.kind) {
    case 'readyThenBackendBytes':
      await client.write(
        Buffer.concat([wire, readyEvent({ token, accepted: true, correlationId }), behaviour.bytes]),
      );
      break;
    case 'lateReady':
      await client.write(wire);
      await waited(behaviour.wait, client.gone);
      await client.write(readyEvent({ token, accepted: true, correlationId }));
      break;
    case 'wrongToken':
      await client.write(wire);
      await client.write(
        readyEvent({ token: randomBytes(HANDOFF_TOKEN_BYTES), accepted: true, correlationId }),
      );
      break;
    case 'rejectedAck':
      await client.write(wire);
      await client.write(
        readyEvent({ token, accepted: false, errorDetail: 'rejected by the test', correlationId }),
      );
      break;
  }
  if (client.gone.aborted) return 'close';
  // Also after an event that no client should believe: a test must see the client hang up by itself.
  client.socket.pipe(client.socket);
  return 'keep';
}
