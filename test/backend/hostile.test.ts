import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { HALF_OPEN, onWindows, testWhere } from '../helpers/test-where.js';
import { framesIn, readToEnd } from '../testing/raw-peer.js';
import type { Backend } from '../../src/backend/index.js';
import { dial, ECHO, echoing, probe, request, start } from './kit.js';

/** Still answers, and has no connection left. */
async function isWell(t: ExecutionContext, backend: Backend): Promise<void> {
  t.true(await until(() => backend.stats().connections === 0), `${backend.stats().connections} connections`);
  const client = await dial(t, backend.endpoint);
  client.end(request('well'));
  t.is(framesIn(await readToEnd(client)).length, 1);
}

/** Resolves when the connection is closed, however that comes. */
async function closed(socket: Socket): Promise<void> {
  socket.resume();
  socket.once('end', () => socket.destroy());
  if (!socket.closed) await once(socket, 'close');
}

const good = fc.constantFrom(
  request('x'),
  request(new Uint8Array(5_000)),
  probe(randomBytes(32)),
  request('no', { kind: 3 }),
  request('x', { payloadProtocol: 0x7002 }),
);
const flipped = fc.tuple(good, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([bytes, at, mask]) => {
  const copy = Uint8Array.from(bytes);
  copy[at % copy.length]! ^= mask;
  return copy;
});
const cut = fc.tuple(good, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.length));
const piece = fc.oneof(good, flipped, cut, fc.uint8Array({ minLength: 1, maxLength: 50 }));

for (const mode of ['frames alone', 'own bytes beside frames'] as const) {
  test(`random streams leave a backend with ${mode} well`, async (t) => {
    const onConnection = (socket: Socket): void => void socket.pipe(socket);
    const backend = await start(t, { ...echoing, ...(mode !== 'frames alone' && { onConnection }) });
    const ways = fc.constantFrom('end', 'destroy', 'resetAfterAnswer');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), ways, async (pieces, way) => {
        const client = await dial(t, backend.endpoint);
        for (const bytes of pieces) client.write(bytes);
        if (way === 'destroy') client.destroy();
        else client.end();
        await closed(client);
      }),
      { numRuns: 150 },
    );
    await isWell(t, backend);
  });
}

testWhere(!onWindows, HALF_OPEN)(
  'a flood of requests on many connections, half of which hang up, is answered or dropped',
  async (t) => {
    const backend = await start(t, {
      payloadProtocols: [ECHO],
      onRequest: async ({ payload }) => {
        await new Promise(setImmediate);
        return payload;
      },
    });
    const flood = Buffer.concat(Array.from({ length: 200 }, () => request(new Uint8Array(1_000))));
    const answered = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const client = await dial(t, backend.endpoint);
        client.end(flood);
        if (index % 2 === 0) return framesIn(await readToEnd(client)).length;
        client.destroy();
        return 200;
      }),
    );
    t.deepEqual(new Set(answered), new Set([200]));
    await isWell(t, backend);
  },
);

test('frames of 16 MiB from several clients at a time come back whole', async (t) => {
  const backend = await start(t, echoing);
  const payload = randomBytes(16_777_201);
  const results = await Promise.all(
    [0, 1].map(async () => {
      const client = await dial(t, backend.endpoint);
      client.end(request(payload));
      const [frame] = framesIn(await readToEnd(client));
      return payload.equals(frame!.payload);
    }),
  );
  t.deepEqual(results, [true, true]);
});

test('a client that never reads does not keep a backend from closing', async (t) => {
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: () => new Uint8Array(1_000_000),
  });
  const client = await dial(t, backend.endpoint);
  client.pause();
  client.write(Buffer.concat(Array.from({ length: 50 }, () => request('x'))));
  while (backend.stats().requests === 0) await new Promise(setImmediate);
  await backend.close({ timeoutMs: 50 });
  t.is(backend.stats().connections, 0);
  client.destroy();
});
