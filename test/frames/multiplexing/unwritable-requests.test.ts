/** Requests that cannot be written, and the requests behind them. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LARGE_BYTES } from '../../../src/frames/multiplexing/choice.js';
import { scaled } from '../../helpers/patience.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { bytes, openDirect, openPooled, startBackend, startPooled, text } from '../kit.js';

const tooLong = new Uint8Array(16_777_216);

test('a request that no frame can hold leaves its place on the connection to the next one', async (t) => {
  const session = openDirect(t, await startBackend(t), { connections: 1, maxInFlight: 1 });
  await session.request(bytes('opens the connection'));
  const failure = failureOf(session.request(tooLong));
  // Sooner than the session looks at its connections by itself.
  const next = session.request(bytes('next'), { timeoutMs: scaled(10_000) });
  t.is((await failure).code, 'FRAME_TOO_LARGE');
  t.is(text(await next), 'next');
});

test('a request that no frame can hold gives back a connection of its own', async (t) => {
  const { pool } = await startPooled(t);
  const session = openPooled(t, pool, { pipelining: 1 });
  const released = once(pool, 'released');
  t.is((await failureOf(session.request(tooLong))).code, 'FRAME_TOO_LARGE');
  await nextTurn();
  t.is(session.stats().connections, 0);
  await released;
});

test('a connection does not keep the process alive for a request that no frame can hold', async (t) => {
  const { pool } = await startPooled(t);
  const lease = await pool.acquire();
  const { socket } = lease;
  const calls: string[] = [];
  for (const name of ['ref', 'unref'] as const)
    socket[name] = () => {
      calls.push(name);
      return socket;
    };
  const session = openPooled(t, { acquire: async () => lease });
  await failureOf(session.request(tooLong));
  await nextTurn();
  t.deepEqual(calls, ['unref', 'ref', 'unref']);
});

test('a request fails alone whose payload throws while it is written, and its session closes', async (t) => {
  const session = openDirect(t, await startBackend(t), { connections: 1 });
  const cause = new RangeError('Array buffer allocation failed');
  let asked = 0;
  const payload = Object.defineProperty(new Uint8Array(LARGE_BYTES), 'length', {
    get() {
      // The session reads it when the request is made, then when it is written.
      if (++asked > 1) throw cause;
      return LARGE_BYTES;
    },
  });
  const before = session.request(bytes('before'));
  const failure = failureOf(session.request(payload, { timeoutMs: Infinity }));
  const behind = session.request(bytes('behind'));
  const error = await failure;
  t.like(error, { code: 'FRAME_IO', attempts: 0, cause });
  t.regex(error.message, /^the request cannot be written: Array buffer allocation failed .* See cause/);
  t.deepEqual([text(await before), text(await behind)], ['before', 'behind']);
  await session.close();
});
