import type { Exchange } from '../../../src/negotiation/exchange/exchange.js';
import { FRAME_HEADER_BYTES, NO_PROGRESS } from '../../../src/wire/frame.js';
import test from '../../helpers/sanitary.js';
import {
  adminExchange,
  adminFrame,
  adopting,
  handshake,
  negotiatedFrame,
  NOW_MS,
  refusedFrame,
} from './exchange-kit.js';

const EXCHANGES: Readonly<Record<string, readonly [create: () => Exchange, wire: Uint8Array]>> = {
  'a negotiation': [handshake, negotiatedFrame()],
  'a negotiation that is refused': [handshake, refusedFrame({ code: 1 })],
  'a negotiation that goes on with a handoff wait': [adopting, negotiatedFrame()],
  'an admin request': [adminExchange, adminFrame({ body: 'ok' })],
};

for (const [what, [create, wire]] of Object.entries(EXCHANGES))
  test(`the reply to ${what} is owed, with what has arrived of it, until its last byte is in (X-20)`, (t) => {
    const exchange = create();
    t.deepEqual(exchange.replyProgress, NO_PROGRESS);
    for (let count = 1; count < wire.length; count += 1) {
      exchange.receive(wire.subarray(count - 1, count), NOW_MS);
      const { header, bodyBytes } = exchange.replyProgress ?? NO_PROGRESS;
      t.deepEqual(
        [[...header], bodyBytes],
        [[...wire.subarray(0, Math.min(count, FRAME_HEADER_BYTES))], Math.max(0, count - FRAME_HEADER_BYTES)],
      );
    }
    exchange.receive(wire.subarray(-1), NOW_MS);
    t.is(exchange.replyProgress, undefined);
  });
