import type { ExchangeStep } from '../../../src/negotiation/exchange/exchange.js';
import type { Handshake } from '../../../src/negotiation/exchange/handshake.js';
import { joined, singleBytes } from '../../helpers/pieces.js';
import { holds, recordedMemory } from '../../helpers/recorded-memory.js';
import test from '../../helpers/sanitary.js';
import { adopting, handshake, negotiatedFrame, NOW_MS, readyFrame, TOKEN } from './exchange-kit.js';

const OTHER_TOKEN = TOKEN.map((byte) => byte ^ 1);

type Play = (exchange: Handshake) => ExchangeStep;

/** Feeds pieces made beforehand, of which the last one ends the exchange. */
function fed(...pieces: readonly Uint8Array[]): Play {
  return (exchange) => pieces.map((piece) => exchange.receive(piece, NOW_MS)).at(-1) ?? exchange.end();
}

/** Feeds pieces after which the exchange waits for more, and ends it. */
function cutShort(end: (exchange: Handshake) => ExchangeStep, ...pieces: readonly Uint8Array[]): Play {
  const feed = fed(...pieces);
  return (exchange) => {
    feed(exchange);
    return end(exchange);
  };
}

const whole = joined(negotiatedFrame(), readyFrame());
const half = readyFrame().subarray(0, -3);

/**
 * How a handshake that the caller is to hear of can go, and the only place where the token is then: what was
 * negotiated.
 */
const fruitful: Readonly<Record<string, [start: () => Handshake, play: Play]>> = {
  'an adoption': [adopting, fed(negotiatedFrame(), readyFrame())],
  'an adoption in one piece': [adopting, fed(whole)],
  'an adoption in single bytes': [adopting, fed(...singleBytes(whole))],
  'an adoption in a short piece and a long one': [
    adopting,
    fed(whole.subarray(0, -1), joined(whole.subarray(-1), new Uint8Array(200))),
  ],
  'an adoption with bytes of the backend behind it': [adopting, fed(joined(whole, Uint8Array.of(1, 2, 3)))],
  'a reply to a caller who does not adopt': [handshake, fed(negotiatedFrame())],
  'a reply in a long piece and a short one': [
    handshake,
    fed(negotiatedFrame().subarray(0, -1), negotiatedFrame().subarray(-1)),
  ],
  'a reply with more behind it': [handshake, fed(whole)],
  'another token in the event': [
    adopting,
    fed(joined(negotiatedFrame(), readyFrame({ token: OTHER_TOKEN }))),
  ],
  'a refusal of the backend': [adopting, fed(negotiatedFrame(), readyFrame({ accepted: false }))],
  'half an event and the end': [adopting, cutShort((exchange) => exchange.end(), negotiatedFrame(), half)],
  'half an event and no more time': [
    adopting,
    cutShort((exchange) => exchange.expire(), negotiatedFrame(), half),
  ],
  'an event that is too long': [
    adopting,
    fed(negotiatedFrame(), Uint8Array.of(1, 255, 255, 255, 255, ...TOKEN)),
  ],
};

for (const [title, [start, play]] of Object.entries(fruitful)) {
  test(`after ${title} only the negotiated reply holds the token`, (t) => {
    const exchange = start();
    let step: ExchangeStep | undefined;
    const holding = recordedMemory(() => (step = play(exchange))).filter(holdsToken);
    if (step?.kind !== 'adopt' && step?.kind !== 'reconnect') return t.fail(step?.kind);
    t.deepEqual(step.negotiated.handlePassedToken, TOKEN);
    t.is(holding.length, 1);
    t.is(holding[0]?.buffer, step.negotiated.handlePassedToken.buffer);
  });
}

/** How it can come to nothing. */
const fruitless: Readonly<Record<string, [start: () => Handshake, play: Play]>> = {
  'half a reply and the end': [
    handshake,
    cutShort((exchange) => exchange.end(), negotiatedFrame().subarray(0, -1)),
  ],
  'half a reply and no more time': [
    handshake,
    cutShort((exchange) => exchange.expire(), negotiatedFrame().subarray(0, -1)),
  ],
  'a reply without an endpoint': [handshake, fed(negotiatedFrame({ backendPipe: '' }))],
  'a reply in a wrong envelope': [handshake, fed(negotiatedFrame({}, { kind: 2 }))],
  'a caller who gives up in the handoff wait': [adopting, fed(negotiatedFrame(), half)],
  'a backend that cannot be reached': [adopting, fed(negotiatedFrame(), readyFrame({ accepted: false }))],
};

for (const [title, [start, play]] of Object.entries(fruitless)) {
  test(`after ${title}, wiping leaves no copy of the token`, (t) => {
    const exchange = start();
    const memory = recordedMemory(() => play(exchange));
    exchange.wipe();
    t.true(memory.length > 0);
    t.deepEqual(memory.filter(holdsToken), []);
  });
}

function holdsToken(memory: Uint8Array): boolean {
  return [TOKEN, OTHER_TOKEN].some((token) => holds(memory, token));
}
