import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Exchange, ExchangeStep } from '../../../src/negotiation/exchange/exchange.js';
import { encodeFrame } from '../../../src/wire/frame.js';
import { cut, joined, singleBytes } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import {
  adminExchange,
  adminFrame,
  adopting,
  handshake,
  negotiatedFrame,
  play,
  readyFrame,
  refusedFrame,
} from './exchange-kit.js';

interface Stream {
  readonly title: string;
  readonly start: () => Exchange;
  /** All that the broker, and after it the backend, ever sends. */
  readonly wire: Uint8Array;
  readonly endsAs: ExchangeStep['kind'];
}

const backendSays = Buffer.from('\x01\x00\x00\x00\x00backend');

const STREAMS: readonly Stream[] = [
  { title: 'a reply', start: handshake, wire: negotiatedFrame(), endsAs: 'reconnect' },
  {
    title: 'a reply without backendPipe',
    start: handshake,
    wire: negotiatedFrame({ backendPipe: '' }),
    endsAs: 'failed',
  },
  {
    title: 'a refusal',
    start: handshake,
    wire: refusedFrame({ code: 4, reason: 'later', retryAfterMs: 9n }),
    endsAs: 'failed',
  },
  {
    title: 'a reply of another version',
    start: handshake,
    wire: negotiatedFrame({}, { envelopeVersion: 2 }),
    endsAs: 'failed',
  },
  { title: 'garbage', start: handshake, wire: Buffer.from('HTTP/1.1 400'), endsAs: 'failed' },
  {
    title: 'reply and event',
    start: adopting,
    wire: joined(negotiatedFrame(), readyFrame()),
    endsAs: 'adopt',
  },
  {
    title: 'reply, event and backend',
    start: adopting,
    wire: joined(negotiatedFrame(), readyFrame(), backendSays),
    endsAs: 'adopt',
  },
  {
    title: 'reply and rejection',
    start: adopting,
    wire: joined(negotiatedFrame(), readyFrame({ accepted: false })),
    endsAs: 'reconnect',
  },
  {
    title: 'reply and garbage',
    start: adopting,
    wire: joined(negotiatedFrame(), Buffer.from('garbage')),
    endsAs: 'reconnect',
  },
  {
    title: 'reply and half an event',
    start: adopting,
    wire: joined(negotiatedFrame(), readyFrame().subarray(0, 20)),
    endsAs: 'wait',
  },
  {
    title: 'an admin reply',
    start: adminExchange,
    wire: adminFrame({ kind: 1, body: '{}', exitCode: 2, contentType: 'json' }),
    endsAs: 'answer',
  },
  {
    title: 'an admin reply of the wrong protocol',
    start: adminExchange,
    wire: adminFrame({}, { payloadProtocol: 0 }),
    endsAs: 'failed',
  },
  {
    title: 'an admin reply that is no Frame',
    start: adminExchange,
    wire: encodeFrame(Uint8Array.of(0xff)),
    endsAs: 'failed',
  },
];

/**
 * The last step, with what the driver has not yet read counted as residue: it lies on the connection either
 * way.
 */
function outcome(start: () => Exchange, pieces: readonly Uint8Array[]): ExchangeStep {
  const { step, unread } = play(start(), ...pieces);
  return step.kind === 'adopt' ? { ...step, residue: joined(step.residue, ...unread) } : step;
}

for (const { title, start, wire, endsAs } of STREAMS) {
  test(`${title}, byte by byte, in any two pieces and around empty ones, ends as in one piece: ${endsAs}`, (t) => {
    const whole = outcome(start, [wire]);
    t.is(whole.kind, endsAs);
    t.deepEqual(outcome(start, singleBytes(wire)), whole);
    const empty = new Uint8Array(0);
    for (let place = 0; place <= wire.length; place++) {
      const [first = empty, second = empty] = cut(wire, [place]);
      t.deepEqual(outcome(start, [first, second]), whole, `cut at ${place}`);
      t.deepEqual(outcome(start, [first, empty, second]), whole, `cut at ${place}, an empty piece between`);
    }
  });
}

test('any stream in any pieces ends as in one piece', (t) => {
  const anyStream = fc.constantFrom(...STREAMS);
  t.notThrows(() => {
    fc.assert(
      fc.property(
        anyStream,
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(400), { maxLength: 20 }),
        ({ start, wire }, behind, places) => {
          const stream = joined(wire, behind);
          deepStrictEqual(outcome(start, cut(stream, places)), outcome(start, [stream]));
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('no bytes at all make an exchange throw, and the same bytes end it the same way in any pieces', (t) => {
  const starts = fc.constantFrom(handshake, adopting, adminExchange);
  // One byte of something valid changed, which reaches further in than noise does.
  const bent = fc
    .tuple(fc.constantFrom(...STREAMS), fc.nat(400), fc.nat(255))
    .map(([{ wire }, place, byte]) => {
      const changed = new Uint8Array(wire);
      changed[place % wire.length] = byte;
      return changed;
    });
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    bent,
    fc.uint8Array({ maxLength: 60 }).map(encodeFrame),
  );
  t.notThrows(() => {
    fc.assert(
      fc.property(starts, anyBytes, fc.array(fc.nat(400), { maxLength: 10 }), (start, stream, places) => {
        deepStrictEqual(outcome(start, cut(stream, places)), outcome(start, [stream]));
      }),
      { numRuns: 600 },
    );
  });
});
