import { randomBytes } from 'node:crypto';
import { encodeFrameToWire, HANDOFF_TOKEN_BYTES, type Frame, type Negotiated } from '../wire/messages.js';
import { waited, type HandoffBehaviour } from './behaviour.js';
import type { ClientConnection } from './client-connection.js';
import { serveEcho } from './echo.js';
import { readyEvent } from './handoff-offer.js';

/**
 * A handoff of which only the messages happen: where the client may take the connection for adopted, the
 * broker itself serves it.
 */
export async function pretendHandoff(
  client: ClientConnection,
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
  // Also where no client should believe the event: that it hangs up is its own decision, to be seen from
  // here.
  serveEcho(client.socket);
  return 'keep';
}
