import { BrokerPoolError } from '../../../src/errors.js';
import { failureOf } from '../../../src/negotiation/exchange/exchange.js';
import { encodeFrame } from '../../../src/wire/frame.js';
import { FrameKind, PayloadProtocol } from '../../../src/wire/messages.js';
import { joined } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import {
  adminExchange,
  adminFrame,
  BROKER,
  DEADLINE_MS,
  envelopes,
  failed,
  replyFrame,
  REQUEST,
  stepAfter,
  WAIT,
} from './exchange-kit.js';

const unexpected = (problem: string) =>
  failed('UNEXPECTED_RESPONSE_FRAME', `unexpected broker response frame: ${problem}`);
const adminEnvelope = { payloadProtocol: PayloadProtocol.ADMIN };

test('an admin exchange sends the request it was given and waits until the given deadline', (t) => {
  const exchange = adminExchange();
  t.is(exchange.request, REQUEST);
  t.is(exchange.deadlineMs, DEADLINE_MS);
  t.deepEqual(exchange.receive(new Uint8Array(0)), WAIT);
  t.is(exchange.deadlineMs, DEADLINE_MS);
});

test("the broker's reply is the answer (C-60)", (t) => {
  const reply = { kind: 1, body: '{"ok":true}', exitCode: 0, contentType: 'application/json' };
  t.deepEqual(stepAfter(adminExchange(), adminFrame(reply)), { kind: 'answer', reply });
});

test('a reply with an exit code other than 0, or of a kind unknown to us, is an answer all the same (C-62, W-23)', (t) => {
  for (const exitCode of [1, 2, 0xffff_ffff]) {
    const reply = { kind: 77, body: 'unsupported', exitCode, contentType: '' };
    t.deepEqual(stepAfter(adminExchange(), adminFrame(reply)), { kind: 'answer', reply });
  }
});

test('an empty payload is a reply of defaults', (t) => {
  const reply = { kind: 0, body: '', exitCode: 0, contentType: '' };
  t.deepEqual(stepAfter(adminExchange(), replyFrame(new Uint8Array(0), adminEnvelope)), {
    kind: 'answer',
    reply,
  });
});

test('a wrong envelope fails with its first problem in the order of W-50, in all combinations (W-52)', (t) => {
  const expected = {
    kind: FrameKind.RESPONSE,
    protocol: PayloadProtocol.ADMIN,
    kindLabel: 'RESPONSE',
    protocolLabel: 'admin',
  };
  for (const { envelope, problem } of envelopes(expected)) {
    const step = stepAfter(adminExchange(), adminFrame({ body: 'ok' }, envelope));
    if (problem === undefined) t.is(step.kind, 'answer');
    else t.deepEqual(step, unexpected(problem), JSON.stringify(envelope));
  }
});

test('request id, deadline and trace of the reply are ignored (C-34)', (t) => {
  const envelope = { requestId: 99n, deadlineUnixMs: 1n, traceparent: 'x', tracestate: 'y' };
  t.is(stepAfter(adminExchange(), adminFrame({}, envelope)).kind, 'answer');
});

test('the envelope is checked before the payload is decoded', (t) => {
  t.deepEqual(
    stepAfter(adminExchange(), replyFrame(Uint8Array.of(0xff))),
    unexpected('payload_protocol is not admin'),
  );
});

test('an empty frame fails on its version (W-51)', (t) => {
  t.deepEqual(
    stepAfter(adminExchange(), encodeFrame(new Uint8Array(0))),
    unexpected('envelope_version is not v1'),
  );
});

test('a payload that is no AdminReply fails as DECODE_ADMIN_REPLY, a body that is no Frame as DECODE_FRAME (C-33, C-60)', (t) => {
  const failure = (code: string) =>
    ({ kind: 'failed', failure: { code, endpoint: BROKER }, replyPending: false }) as const;
  // The second one's body is not UTF-8 (W-25).
  for (const payload of [Uint8Array.of(0x12, 0x05, 0x01), Uint8Array.of(0x12, 0x01, 0xff)]) {
    t.like(stepAfter(adminExchange(), replyFrame(payload, adminEnvelope)), failure('DECODE_ADMIN_REPLY'));
  }
  t.like(stepAfter(adminExchange(), encodeFrame(Uint8Array.of(0xff))), failure('DECODE_FRAME'));
});

test('a wrong layout byte and too long a frame fail as soon as they show (W-06, W-07)', (t) => {
  t.deepEqual(
    stepAfter(adminExchange(), Uint8Array.of(2)),
    failed('FRAMING_VERSION', 'unsupported framing version: got 2, expected 1'),
  );
  const tooLong = failed('FRAME_TOO_LARGE', 'frame body too large: 16777217 bytes exceeds cap 16777216');
  t.deepEqual(stepAfter(adminExchange(), Uint8Array.of(1, 1, 0, 0, 1)), tooLong);
});

test('one frame is read, and bytes behind it are ignored', (t) => {
  for (const behind of [Uint8Array.of(0xff), adminFrame({ body: 'second' })]) {
    t.like(stepAfter(adminExchange(), joined(adminFrame({ body: 'first' }), behind)), {
      kind: 'answer',
      reply: { body: 'first' },
    });
  }
});

test('an error of a decoder is a failure at the broker, and any other error is thrown on', (t) => {
  t.deepEqual(failureOf(new BrokerPoolError('DECODE_FRAME', 'no frame'), BROKER), {
    code: 'DECODE_FRAME',
    message: 'no frame',
    endpoint: BROKER,
  });
  const bug = new TypeError('a bug of this package');
  t.throws(() => failureOf(bug, BROKER), { is: bug });
});

test('an admin request whose broker hangs up fails at once: no reply is owed any more (C-39)', (t) => {
  t.like(adminExchange().end(), {
    kind: 'failed',
    failure: { code: 'UNEXPECTED_EOF', endpoint: BROKER },
    replyPending: false,
  });
});

test('an admin request whose time is up fails as a timeout, while its reply is still owed (X-20)', (t) => {
  t.like(adminExchange().expire(), {
    kind: 'failed',
    failure: { code: 'TIMEOUT', phase: 'admin', endpoint: BROKER },
    replyPending: true,
  });
});
