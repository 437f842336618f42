import type { ExchangeStep } from '../../../src/negotiation/exchange/exchange.js';
import { encodeFrame } from '../../../src/wire/frame.js';
import {
  CAPABILITY_HANDLE_PASSING,
  encodeHandoffAck,
  FrameKind,
  PayloadProtocol,
} from '../../../src/wire/messages.js';
import { joined } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import {
  adopt,
  adopting,
  EMPTY_PIPE,
  envelopes,
  eventFrame,
  HANDOFF_MS,
  handshake,
  NEGOTIATED,
  negotiatedFrame,
  NOW_MS,
  readyFrame,
  reconnect,
  RECONNECT,
  replyFrame,
  stepAfter,
  TOKEN,
  WAIT,
} from './exchange-kit.js';

const nothing = new Uint8Array(0);

test("the handoff-ready event makes the very connection the caller's (C-43, C-44)", (t) => {
  t.deepEqual(stepAfter(adopting(), negotiatedFrame(), readyFrame()), adopt());
});

test('the handoff wait begins only if the caller opted in, bit 0 is set and there is a token (C-40)', (t) => {
  for (const adoptHandedOffConnection of [true, false]) {
    for (const serverCapabilities of [0n, 1n, 2n, 3n, 2n ** 64n - 2n, 2n ** 64n - 1n]) {
      for (const handlePassedToken of [nothing, Uint8Array.of(0), TOKEN]) {
        const waits =
          adoptHandedOffConnection &&
          serverCapabilities % 2n === CAPABILITY_HANDLE_PASSING &&
          handlePassedToken.length > 0;
        const changes = { serverCapabilities, handlePassedToken };
        const step = stepAfter(handshake({ adoptHandedOffConnection }), negotiatedFrame(changes));
        t.deepEqual(step, waits ? WAIT : reconnect(changes));
      }
    }
  }
});

test('a token of any length but 0 is accepted (C-41)', (t) => {
  for (const length of [1, 15, 16, 17, 1_000]) {
    const token = new Uint8Array(length).fill(9);
    const step = stepAfter(adopting(), negotiatedFrame({ handlePassedToken: token }), readyFrame({ token }));
    t.deepEqual(step, adopt(nothing, { ...NEGOTIATED, handlePassedToken: token }));
  }
});

test('an adopted connection may have an empty backendPipe (C-17)', (t) => {
  const negotiated = { ...NEGOTIATED, backendPipe: '' };
  t.deepEqual(stepAfter(adopting(), negotiatedFrame(negotiated), readyFrame()), adopt(nothing, negotiated));
});

test('request id, trace, correlation id and error detail of the event are ignored (C-43)', (t) => {
  const envelope = { requestId: 99n, deadlineUnixMs: 1n, traceparent: 'x', tracestate: 'y' };
  const ready = readyFrame({ correlationId: 2n ** 64n - 1n, errorDetail: 'all went wrong' }, envelope);
  t.deepEqual(stepAfter(adopting(), negotiatedFrame(), ready), adopt());
});

const otherTokens = {
  empty: nothing,
  'one bit off at the start': Uint8Array.from(TOKEN, (byte, index) => (index === 0 ? byte ^ 0x80 : byte)),
  'one bit off at the end': Uint8Array.from(TOKEN, (byte, index) => (index === 15 ? byte ^ 1 : byte)),
  'a byte short': TOKEN.subarray(0, 15),
  'a byte long': joined(TOKEN, Uint8Array.of(0)),
  'of zeros': new Uint8Array(16),
};

/** Bytes that arrive in place of the handoff-ready event. */
const notReady: Readonly<Record<string, Uint8Array>> = {
  'a rejection with the right token': readyFrame({ accepted: false, errorDetail: 'busy' }),
  ...Object.fromEntries(
    Object.entries(otherTokens).flatMap(([title, token]) => [
      [`a token ${title}`, readyFrame({ token })],
      [`a rejection with a token ${title}`, readyFrame({ token, accepted: false })],
    ]),
  ),
  'an event without a payload': eventFrame(nothing),
  'an event whose payload is no HandoffAck': eventFrame(Uint8Array.of(0x0a, 0x7f, 0x01)),
  'an error detail that is not UTF-8': eventFrame(
    joined(encodeHandoffAck({ token: TOKEN, accepted: true }), Uint8Array.of(0x1a, 0x01, 0xff)),
  ),
  'a second reply': negotiatedFrame(),
  'the ack as a response': readyFrame({}, { kind: FrameKind.RESPONSE }),
  'the ack under the control protocol': replyFrame(encodeHandoffAck({ token: TOKEN, accepted: true }), {
    kind: FrameKind.EVENT,
  }),
  'the ack under the admin protocol': readyFrame({}, { payloadProtocol: PayloadProtocol.ADMIN }),
  'an empty frame': encodeFrame(nothing),
  'a body that is no Frame': encodeFrame(Uint8Array.of(0xff)),
  'another layout byte': Uint8Array.of(2),
  'plain text': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'too long a frame': Uint8Array.of(1, 1, 0, 0, 1),
};

for (const [title, wire] of Object.entries(notReady)) {
  test(`${title} in place of the event is a reconnect to backendPipe and no error (C-45)`, (t) => {
    t.deepEqual(stepAfter(adopting(), negotiatedFrame(), wire), RECONNECT);
    t.deepEqual(
      stepAfter(adopting(), joined(negotiatedFrame(), wire)),
      RECONNECT,
      'in one chunk with the reply',
    );
    t.deepEqual(
      stepAfter(adopting(), negotiatedFrame(), joined(wire, readyFrame())),
      RECONNECT,
      'one frame is read, not the next (C-42)',
    );
    t.deepEqual(
      stepAfter(adopting(), negotiatedFrame({ backendPipe: '' }), wire),
      EMPTY_PIPE,
      'nothing to downgrade to (C-17)',
    );
  });
}

test('a wrong envelope of the event downgrades, in all combinations (W-53, C-45)', (t) => {
  const expected = {
    kind: FrameKind.EVENT,
    protocol: PayloadProtocol.HANDOFF,
    kindLabel: 'EVENT',
    protocolLabel: 'handoff',
  };
  for (const { envelope, problem } of envelopes(expected)) {
    const step = stepAfter(adopting(), negotiatedFrame(), readyFrame({}, envelope));
    t.deepEqual(step, problem === undefined ? adopt() : RECONNECT, JSON.stringify(envelope));
  }
});

test('the time for the event counts from the reply, and more bytes do not prolong it (C-42)', (t) => {
  const exchange = adopting();
  const reply = negotiatedFrame();
  const ready = readyFrame();
  const first = exchange.deadlineMs;
  exchange.receive(reply.subarray(0, 20), NOW_MS);
  t.is(exchange.deadlineMs, first, 'half a reply changes nothing');
  exchange.receive(reply.subarray(20), NOW_MS + 100);
  t.is(exchange.deadlineMs, NOW_MS + 100 + HANDOFF_MS);
  exchange.receive(ready.subarray(0, 9), NOW_MS + 500);
  t.is(exchange.deadlineMs, NOW_MS + 100 + HANDOFF_MS);
});

test('the time for the event may end after that for the reply', (t) => {
  const exchange = handshake({ adoptHandedOffConnection: true, deadlineMs: NOW_MS + 1 });
  exchange.receive(negotiatedFrame(), NOW_MS);
  t.is(exchange.deadlineMs, NOW_MS + HANDOFF_MS);
});

const backendSays = [
  nothing,
  Uint8Array.of(1),
  Buffer.from('hello from the backend'),
  readyFrame(),
  Uint8Array.of(0xff, 0xff),
];

test('bytes behind the event go to the caller unchanged (C-47)', (t) => {
  for (const words of backendSays) {
    const residue = new Uint8Array(words);
    t.deepEqual(stepAfter(adopting(), joined(negotiatedFrame(), readyFrame(), words)), adopt(residue));
    t.deepEqual(stepAfter(adopting(), negotiatedFrame(), joined(readyFrame(), words)), adopt(residue));
  }
});

test("an adopted connection's data do not change when the chunk is reused", (t) => {
  const chunk = joined(negotiatedFrame(), readyFrame(), Uint8Array.of(1, 2, 3));
  const step: ExchangeStep = adopting().receive(chunk, NOW_MS);
  chunk.fill(0xaa);
  t.deepEqual(step, adopt(Uint8Array.of(1, 2, 3)));
});
