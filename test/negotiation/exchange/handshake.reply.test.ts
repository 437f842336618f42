import {
  FRAME_HEADER_BYTES,
  encodeFrame,
  MAX_FRAME_BYTES,
  MAX_HELLO_BYTES,
} from '../../../src/wire/frame.js';
import { encodeFrameBody, encodeHelloReply, FrameKind } from '../../../src/wire/messages.js';
import { joined } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import {
  adopting,
  BROKER,
  DEADLINE_MS,
  EMPTY_PIPE,
  envelopes,
  failed,
  handshake,
  negotiatedFrame,
  readyFrame,
  reconnect,
  RECONNECT,
  refusedFrame,
  replyFrame,
  REQUEST,
  stepAfter,
  WAIT,
} from './exchange-kit.js';

const unexpected = (problem: string) =>
  failed('UNEXPECTED_RESPONSE_FRAME', `unexpected broker response frame: ${problem}`);

/** A header that declares a body of this many bytes. */
function header(bodyBytes: number): Uint8Array {
  const wire = new Uint8Array(FRAME_HEADER_BYTES);
  wire[0] = 1;
  new DataView(wire.buffer).setUint32(1, bodyBytes, true);
  return wire;
}

test('a handshake sends the request it was given and waits until the given deadline', (t) => {
  const exchange = handshake();
  t.is(exchange.request, REQUEST);
  t.is(exchange.deadlineMs, DEADLINE_MS);
  t.deepEqual(exchange.receive(new Uint8Array(0), 0), WAIT);
});

test('Negotiated without adoption leads to backendPipe at once, although every client is given a token (C-03, C-16)', (t) => {
  t.deepEqual(stepAfter(handshake(), negotiatedFrame()), RECONNECT);
});

test('bytes behind the reply are ignored without adoption', (t) => {
  for (const behind of [readyFrame(), Uint8Array.of(0xff), Uint8Array.of(1)]) {
    t.deepEqual(stepAfter(handshake(), joined(negotiatedFrame(), behind)), RECONNECT);
  }
});

test('an empty backendPipe fails as EMPTY_BACKEND_PIPE (C-17)', (t) => {
  t.deepEqual(stepAfter(handshake(), negotiatedFrame({ backendPipe: '' })), EMPTY_PIPE);
});

test('besides the endpoint nothing in Negotiated is checked (C-19)', (t) => {
  const nothing = {
    daemonVersion: '',
    warnings: [],
    serverCapabilities: 0n,
    keepaliveIntervalSecs: 0n,
    handlePassedToken: new Uint8Array(0),
  };
  const largest = 2n ** 64n - 1n;
  for (const changes of [
    { ...nothing, negotiatedProtocol: 0, connectionId: 0n },
    {
      negotiatedProtocol: 99,
      daemonVersion: 'not a version',
      serverCapabilities: largest,
      keepaliveIntervalSecs: largest,
      connectionId: largest,
    },
  ]) {
    t.deepEqual(stepAfter(handshake(), negotiatedFrame(changes)), reconnect(changes));
  }
});

test('the reply may carry any request id, deadline and trace (C-34, W-65)', (t) => {
  for (const requestId of [0n, 2n, 2n ** 64n - 1n]) {
    const envelope = { requestId, deadlineUnixMs: 1n, traceparent: 'not a trace', tracestate: 'x' };
    t.deepEqual(stepAfter(handshake(), negotiatedFrame({}, envelope)), RECONNECT);
  }
});

test('a wrong envelope of the reply fails with its first problem in the order of W-50, in all combinations (W-52)', (t) => {
  const expected = {
    kind: FrameKind.RESPONSE,
    protocol: 0,
    kindLabel: 'RESPONSE',
    protocolLabel: 'control-plane',
  };
  for (const { envelope, problem } of envelopes(expected)) {
    const step = stepAfter(adopting(), negotiatedFrame({ handlePassedToken: new Uint8Array(0) }, envelope));
    if (problem === undefined) t.is(step.kind, 'reconnect');
    else t.deepEqual(step, unexpected(problem), JSON.stringify(envelope));
  }
});

test('the envelope is checked before the payload is decoded (C-33)', (t) => {
  t.deepEqual(
    stepAfter(handshake(), replyFrame(Uint8Array.of(0xff), { kind: FrameKind.EVENT })),
    unexpected('kind is not RESPONSE'),
  );
});

test('the handoff-ready event in place of the reply is an unexpected frame, with adoption too', (t) => {
  t.deepEqual(stepAfter(adopting(), readyFrame()), unexpected('kind is not RESPONSE'));
});

test('an empty frame is a Frame of defaults, and fails on its version (W-51)', (t) => {
  t.deepEqual(
    stepAfter(handshake(), encodeFrame(new Uint8Array(0))),
    unexpected('envelope_version is not v1'),
  );
});

test("a body that is no Frame fails as DECODE_FRAME with the decoder's reason, told once", (t) => {
  for (const body of [
    Uint8Array.of(0xff),
    Uint8Array.of(0x22, 0x05, 0x01),
    encodeFrameBody({ payload: new Uint8Array(40) }).subarray(0, 20),
  ]) {
    const step = stepAfter(handshake(), encodeFrame(body));
    if (step.kind !== 'failed') return t.fail(step.kind);
    t.is(step.failure.code, 'DECODE_FRAME');
    t.is(step.failure.endpoint, BROKER);
    t.regex(step.failure.message, /^failed to decode Frame body: [^:]+(: \d+ \+ \d+ > \d+)?$/);
  }
});

test('a payload that is no HelloReply fails as DECODE_HELLO_REPLY (C-33)', (t) => {
  // A field cut short; a Negotiated whose daemonVersion is not UTF-8 (W-25).
  for (const payload of [Uint8Array.of(0x0a, 0x05, 0x01), Uint8Array.of(0x0a, 0x03, 0x12, 0x01, 0xff)]) {
    const step = stepAfter(handshake(), replyFrame(payload));
    t.like(step, {
      kind: 'failed',
      failure: { code: 'DECODE_HELLO_REPLY', endpoint: BROKER },
      replyPending: false,
    });
  }
});

test('a HelloReply without a result fails as MISSING_HELLO_REPLY_RESULT (C-33)', (t) => {
  const missing = failed('MISSING_HELLO_REPLY_RESULT', 'broker sent a HelloReply without a result');
  t.deepEqual(stepAfter(handshake(), replyFrame(encodeHelloReply({ result: undefined }))), missing);
  t.deepEqual(
    stepAfter(handshake(), replyFrame(Uint8Array.of(0xa8, 0x01, 0x01))),
    missing,
    'only a field unknown to us (W-22)',
  );
});

test('a wrong layout byte fails at once, without its length (W-06, W-14)', (t) => {
  for (const byte of [0, 2, 0x16, 0xff]) {
    const step = failed('FRAMING_VERSION', `unsupported framing version: got ${byte}, expected 1`);
    t.deepEqual(stepAfter(handshake(), Uint8Array.of(byte)), step);
  }
});

test('a declared length above 16 MiB fails with the header, 16 MiB itself is waited for (W-07, C-35)', (t) => {
  t.deepEqual(stepAfter(handshake(), header(MAX_FRAME_BYTES)), WAIT);
  const step = failed(
    'FRAME_TOO_LARGE',
    `frame body too large: ${MAX_FRAME_BYTES + 1} bytes exceeds cap ${MAX_FRAME_BYTES}`,
  );
  t.deepEqual(stepAfter(handshake(), header(MAX_FRAME_BYTES + 1)), step);
});

test('a reply may be longer than a Hello (C-35)', (t) => {
  const warnings = ['w'.repeat(MAX_HELLO_BYTES + 1)];
  t.deepEqual(stepAfter(handshake(), negotiatedFrame({ warnings })), reconnect({ warnings }));
});

test('the caller may reuse a chunk for the next bytes', (t) => {
  const exchange = handshake();
  const wire = negotiatedFrame();
  const chunk = new Uint8Array(1);
  for (const byte of wire.subarray(0, -1)) {
    chunk[0] = byte;
    t.deepEqual(exchange.receive(chunk, 0), WAIT);
  }
  const last = wire.slice(-1);
  const step = exchange.receive(last, 0);
  last.fill(0);
  t.deepEqual(step, RECONNECT);
});

test('every step is plain data that a message port can carry', (t) => {
  const steps = [
    negotiatedFrame(),
    negotiatedFrame({ backendPipe: '' }),
    refusedFrame({ code: 4, retryAfterMs: 5n }),
    encodeFrame(Uint8Array.of(0xff)),
  ].map((wire) => stepAfter(handshake(), wire));
  t.deepEqual(structuredClone(steps), steps);
});
