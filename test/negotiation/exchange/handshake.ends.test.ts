import type { SystemFailure } from '../../../src/errors.js';
import type { Exchange, ExchangeStep } from '../../../src/negotiation/exchange/exchange.js';
import test from '../../helpers/sanitary.js';
import {
  adminExchange,
  adminFrame,
  adopting,
  BROKER,
  EMPTY_PIPE,
  failed,
  handshake,
  negotiatedFrame,
  NOW_MS,
  readyFrame,
  RECONNECT,
  WAIT,
} from './exchange-kit.js';

const KINDS: readonly {
  readonly title: string;
  readonly start: () => Exchange;
  readonly reply: Uint8Array;
}[] = [
  { title: 'a Hello', start: handshake, reply: negotiatedFrame() },
  { title: 'a Hello with adoption', start: adopting, reply: negotiatedFrame() },
  { title: 'an admin request', start: adminExchange, reply: adminFrame({ body: 'ok' }) },
];

function eofContext(received: number): string {
  if (received === 0) return 'framing byte';
  return received < 5 ? 'body length header' : 'frame body';
}

/** Feeds one piece that must not suffice. */
function fed(exchange: Exchange, bytes: Uint8Array): Exchange {
  if (exchange.receive(bytes, NOW_MS).kind !== 'wait') throw new Error('that was enough already');
  return exchange;
}

const gone: readonly SystemFailure[] = ['ECONNRESET', 'EPIPE'].map((code) => ({
  code,
  syscall: 'read',
  message: `read ${code}`,
}));
const badIo: SystemFailure = { code: 'EIO', syscall: 'read', message: 'read EIO' };

for (const { title, start, reply } of KINDS) {
  test(`${title}: an end at any byte before the reply is complete is UNEXPECTED_EOF without a pending reply (C-33, W-10)`, (t) => {
    for (let length = 0; length < reply.length; length++) {
      const message = `unexpected EOF while reading frame (${eofContext(length)})`;
      t.deepEqual(fed(start(), reply.subarray(0, length)).end(), failed('UNEXPECTED_EOF', message));
    }
  });

  test(`${title}: ECONNRESET and EPIPE before the reply mean the same as an end (C-39)`, (t) => {
    for (const system of gone) {
      for (const length of [0, 3, 9]) {
        const message = `unexpected EOF while reading frame (${eofContext(length)}): ${system.message}`;
        t.deepEqual(
          fed(start(), reply.subarray(0, length)).end(system),
          failed('UNEXPECTED_EOF', message, { system }),
        );
      }
    }
  });

  test(`${title}: any other failure before the reply is FRAME_IO with its cause (W-11)`, (t) => {
    const step = failed('FRAME_IO', 'I/O error on the broker connection: read EIO', { system: badIo });
    t.deepEqual(start().end(badIo), step);
    t.deepEqual(fed(start(), reply.subarray(0, 7)).end(badIo), step);
  });

  test(`${title}: without a reply in time it is TIMEOUT with the reply pending (X-20)`, (t) => {
    const [phase, what] =
      title === 'an admin request' ? (['admin', 'admin request'] as const) : (['hello', 'Hello'] as const);
    const message = `broker did not answer the ${what} within 30000 ms`;
    const step: ExchangeStep = {
      kind: 'failed',
      failure: { code: 'TIMEOUT', phase, message, endpoint: BROKER },
      replyPending: true,
    };
    for (const length of [0, 1, 5, reply.length - 1])
      t.deepEqual(fed(start(), reply.subarray(0, length)).expire(), step);
  });
}

/** Whatever ends the handoff wait. */
const endings: Readonly<Record<string, (exchange: Exchange) => ExchangeStep>> = {
  'a timeout': (exchange) => exchange.expire(),
  'an end': (exchange) => exchange.end(),
  'a reset': (exchange) => exchange.end(gone[0]),
  'a broken pipe': (exchange) => exchange.end(gone[1]),
  'a failed read': (exchange) => exchange.end(badIo),
};

for (const [title, endIt] of Object.entries(endings)) {
  test(`${title} at any byte of the handoff-ready event is a reconnect and no error (C-45, C-49, C-50)`, (t) => {
    const ready = readyFrame();
    for (let length = 0; length < ready.length; length++) {
      const exchange = fed(fed(adopting(), negotiatedFrame()), ready.subarray(0, length));
      t.deepEqual(endIt(exchange), RECONNECT);
    }
  });

  test(`${title} in the handoff wait with an empty backendPipe is EMPTY_BACKEND_PIPE without a pending reply (C-17)`, (t) => {
    t.deepEqual(endIt(fed(adopting(), negotiatedFrame({ backendPipe: '' }))), EMPTY_PIPE);
  });
}

test('more bytes after the reply do not turn its waiting into an answer', (t) => {
  const exchange = fed(adopting(), negotiatedFrame());
  for (const byte of readyFrame().subarray(0, -1))
    t.deepEqual(exchange.receive(Uint8Array.of(byte), NOW_MS), WAIT);
});
