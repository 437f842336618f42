import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { peerOf } from '../os/endpoint-trust.js';
import { loadHandlePassing } from '../os/handle-passing.js';
import { loadNative } from '../os/native.js';
import { descriptorOf, holdReading } from '../os/socket-handle.js';
import { MAX_HELLO_BYTES } from '../wire/frame.js';
import { readyEvent } from '../wire/handoff-frames.js';
import {
  CAPABILITY_HANDLE_PASSING,
  decodeAdminRequest,
  decodeFrame,
  decodeHello,
  encodeAdminReply,
  encodeHelloReply,
  FrameKind,
  HANDOFF_TOKEN_BYTES,
  PayloadEncoding,
  PayloadProtocol,
  PROTOCOL_VERSION,
  responseTo,
  type Frame,
  type Hello,
  type HelloReplyToEncode,
  type Negotiated,
} from '../wire/messages.js';
import {
  isHandoffBehaviour,
  isReplyBehaviour,
  type BrokerBehaviour,
  type ReplyBehaviour,
} from './behaviour.js';
import type { BrokerState } from './broker-state.js';
import type { BrokerSideConnection } from './broker-side-connection.js';
import { readFirstFrame } from './first-frame.js';
import { offerConnection } from './handoff-offer.js';
import * as rules from './hello-rules.js';
import { pretendHandoff } from './pretended-handoff.js';

/** Always 1 with a real broker (V-72). */
const CONNECTION_ID = 1n;
const DEFAULT_KEEPALIVE_SECS = 1_800n;
const ANSWER: ReplyBehaviour = { kind: 'answer' };
/** Stands in the reply for a request that could not be decoded (V-04). */
const UNKNOWN_REQUEST = { requestId: 0n, traceparent: '', tracestate: '' };

/** Whether a connection closes after its one request: only a pretended handoff keeps it. */
type AfterReply = 'close' | 'keep';

/** Talks to one client: one request, one reply, the end (V-01). */
export async function converse(client: BrokerSideConnection, broker: BrokerState): Promise<void> {
  const first = await readFirstFrame(client.socket, broker.settings.helloTimeoutMs);
  let after: AfterReply = 'close';
  if (first.kind === 'frame') after = await answer(first.body, client, broker);
  else if (first.kind === 'violation') await refuse(client, rules.framingRefusal(first.error.code));
  else if (first.kind === 'ended') await refuse(client, rules.INCOMPLETE_FRAME);
  // Expired: no refusal, just a close (V-22).
  if (after === 'close') client.close();
}

async function answer(
  body: Uint8Array,
  client: BrokerSideConnection,
  broker: BrokerState,
): Promise<AfterReply> {
  const frame = decoded(() => decodeFrame(body));
  if (frame === undefined) return refuse(client, rules.MALFORMED_FRAME);
  if (frame.payloadProtocol === PayloadProtocol.ADMIN) return answerAdmin(frame, client, broker);
  const problem = body.length > MAX_HELLO_BYTES ? rules.OVERSIZED_HELLO : rules.refuseEnvelope(frame);
  if (problem !== undefined) return refuse(client, problem, frame);
  const hello = decoded(() => decodeHello(frame.payload));
  if (hello === undefined) return refuse(client, rules.MALFORMED_HELLO, frame);
  return answerHello(hello, frame, client, broker);
}

/** A malformed admin request gets no reply. */
async function answerAdmin(
  frame: Frame,
  client: BrokerSideConnection,
  broker: BrokerState,
): Promise<AfterReply> {
  const isReadable =
    frame.envelopeVersion === PROTOCOL_VERSION &&
    frame.kind === FrameKind.REQUEST &&
    frame.payloadEncoding === PayloadEncoding.NONE;
  const request = isReadable ? decoded(() => decodeAdminRequest(frame.payload)) : undefined;
  if (request === undefined) return 'close';
  const { behaviour, reply, silenceOver } = broker.addAdmin(request);
  await client.reply(replyTo(frame, PayloadProtocol.ADMIN, encodeAdminReply(reply)), behaviour, silenceOver);
  return 'close';
}

async function answerHello(
  hello: Hello,
  frame: Frame,
  client: BrokerSideConnection,
  broker: BrokerState,
): Promise<AfterReply> {
  const { behaviour: decided, silenceOver } = broker.addHello(hello, frame);
  const behaviour = await decided;
  const transport = isReplyBehaviour(behaviour) ? behaviour : ANSWER;
  if (behaviour.kind === 'refuse') {
    const { code, reason = 'refused by the test', retryAfterMs = 0 } = behaviour;
    return refuse(client, { code, reason, retryAfterMs }, frame);
  }
  const service =
    rules.refuseHello(hello, processIdBehind(client.socket)) ??
    rules.findService(hello, broker.settings.services);
  if ('code' in service) {
    await client.reply(refusalTo(frame, service), transport, silenceOver);
    return 'close';
  }
  const negotiated = negotiate(hello, service, behaviour);
  const result: HelloReplyToEncode['result'] =
    behaviour.kind === 'noResult' ? undefined : { kind: 'negotiated', negotiated };
  const reply = replyTo(frame, PayloadProtocol.CONTROL, encodeHelloReply({ result }));
  const { handlePassedToken: token, serverCapabilities } = negotiated;
  const mayHandOff =
    (serverCapabilities & CAPABILITY_HANDLE_PASSING) !== 0n && token.length === HANDOFF_TOKEN_BYTES;
  if (isHandoffBehaviour(behaviour) && mayHandOff)
    return pretendHandoff(client, reply, negotiated, behaviour);
  const isAnswered = await client.reply(reply, transport, silenceOver);
  // H-01: the client needs the token of the reply to recognise the ready event, so the reply goes first.
  if (isAnswered && mayHandOff && service.handoffEndpoint !== undefined) {
    await handOff(client, service.handoffEndpoint, hello.serviceName, negotiated, broker);
  }
  return 'close';
}

/**
 * Tells the client that the backend took its connection over even where the backend's answer is missing, as the
 * real broker does (H-11).
 */
async function handOff(
  client: BrokerSideConnection,
  endpoint: string,
  serviceName: string,
  { connectionId: correlationId, handlePassedToken: token }: Negotiated,
  broker: BrokerState,
): Promise<void> {
  const native = loadNative();
  const passing = loadHandlePassing();
  if (native === undefined || passing === undefined) return;
  const descriptor = descriptorOf(client.socket);
  // From here on the client's bytes belong to the backend.
  holdReading(client.socket);
  const offer = {
    endpoint,
    descriptor,
    token,
    serviceName,
    correlationId,
    ackTimeoutMs: broker.settings.handoffAckTimeoutMs,
  };
  const result = await offerConnection(offer, passing, native.system, (sent) => broker.addHandoff(sent));
  if (result === 'accepted' || result === 'unconfirmed')
    await client.write(readyEvent({ token, accepted: true, correlationId }));
}

/** 0 where the kernel does not tell (V-53). */
function processIdBehind(socket: Socket): number {
  const peer = peerOf(descriptorOf(socket));
  return typeof peer === 'object' ? peer.processId : 0;
}

/** V-70, V-71: the answer to an accepted Hello, with a token for a client that says it can adopt. */
function negotiate(hello: Hello, service: rules.EmbeddedService, behaviour: BrokerBehaviour): Negotiated {
  const canAdopt = (hello.clientCapabilities & CAPABILITY_HANDLE_PASSING) !== 0n;
  return {
    negotiatedProtocol: PROTOCOL_VERSION,
    daemonVersion: hello.wantedVersion,
    backendPipe: behaviour.kind === 'emptyPipe' ? '' : service.endpoint,
    warnings: [],
    serverCapabilities: canAdopt ? CAPABILITY_HANDLE_PASSING : 0n,
    keepaliveIntervalSecs:
      hello.clientKeepaliveSecs === 0n ? DEFAULT_KEEPALIVE_SECS : hello.clientKeepaliveSecs,
    handlePassedToken: canAdopt ? randomBytes(HANDOFF_TOKEN_BYTES) : new Uint8Array(0),
    connectionId: CONNECTION_ID,
    ...(behaviour.kind === 'negotiate' ? behaviour.negotiated : {}),
  };
}

async function refuse(
  client: BrokerSideConnection,
  refusal: rules.Refusal,
  request?: Frame,
): Promise<AfterReply> {
  await client.reply(refusalTo(request, refusal), ANSWER, () => Promise.resolve());
  return 'close';
}

/** V-11: a refusal that names protocol 1 to 1, as that of the real broker. */
function refusalTo(
  request: Frame | undefined,
  { code, reason, retryAfterMs }: rules.Refusal,
): Partial<Frame> {
  const refused = {
    reason,
    daemonMinProtocol: PROTOCOL_VERSION,
    daemonMaxProtocol: PROTOCOL_VERSION,
    code,
    retryAfterMs: BigInt(retryAfterMs),
  };
  return replyTo(
    request,
    PayloadProtocol.CONTROL,
    encodeHelloReply({ result: { kind: 'refused', refused } }),
  );
}

/** V-10, A-01: a reply repeats the id and the trace context of its request. */
function replyTo(request: Frame | undefined, payloadProtocol: number, payload: Uint8Array): Partial<Frame> {
  return responseTo({ ...(request ?? UNKNOWN_REQUEST), payloadProtocol }, payload);
}

function decoded<Message>(decode: () => Message): Message | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
