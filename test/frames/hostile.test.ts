import { randomBytes, randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { BrokerPoolError } from '../../src/errors.js';
import { FrameBackend, PROTOCOL } from './frame-backend.js';
import { endpointIn } from '../helpers/endpoints.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { encoded } from './codec/kit.js';
import { openSession } from '../../src/frames/index.js';
import { bytes, openDirect, startBackend, text } from './kit.js';

/** How a session's request may fail because of what a backend sends. */
const CODES = new Set([
  'UNEXPECTED_EOF',
  'FRAME_IO',
  'FRAMING_VERSION',
  'FRAME_TOO_LARGE',
  'DECODE_FRAME',
  'UNEXPECTED_RESPONSE_FRAME',
  'TIMEOUT',
]);

/** What a hostile backend does with a request. */
const misdeed = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'answer' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'twice' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('unasked' as const), id: fc.bigInt(0n, 2n ** 64n - 1n) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'silent' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('garbage' as const),
      junk: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('flipped' as const), at: fc.nat(), bit: fc.nat(7) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('half' as const),
      share: fc.double({ min: 0, max: 0.99, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'hangUp' as const }) },
);

test('whatever a backend sends, each request ends once, with its own answer or with an error of the list', async (t) => {
  const backend = await FrameBackend.start(endpointIn(temporaryDirectory(t), 'hostile'));
  t.teardown(() => backend.stop());
  await t.notThrowsAsync(() =>
    fc.assert(
      fc.asyncProperty(
        fc.array(misdeed, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (script, connections) => {
          const deeds = [...script];
          backend.onRequest = (request, connection) => {
            const { requestId, payload, payloadProtocol } = request;
            const answer = encoded({ envelopeVersion: 1, kind: 1, payloadProtocol, payload, requestId });
            const deed = deeds.shift() ?? { kind: 'answer' };
            const { socket } = connection;
            switch (deed.kind) {
              case 'twice':
                socket.write(answer);
                break;
              case 'unasked':
                connection.answer({ ...request, requestId: deed.id }, bytes('wrong'), { kind: 2 });
                break;
              case 'silent':
                return;
              case 'garbage':
                return void socket.write(deed.junk);
              case 'flipped': {
                // Not in the payload, where only the caller could notice it.
                const at = deed.at % 5;
                answer[at] = answer[at]! ^ (1 << deed.bit);
                return void socket.write(answer);
              }
              case 'half':
                return void socket.end(answer.subarray(0, Math.floor(answer.length * deed.share)));
              case 'hangUp':
                return void socket.destroy();
              default:
            }
            socket.write(answer);
          };
          const session = openSession(
            { endpoint: backend.endpoint },
            { payloadProtocol: PROTOCOL, connections, timeoutMs: 60 },
          );
          const payloads = script.map((_, index) => `request ${index} of ${script.length}`);
          const outcomes = await Promise.allSettled(
            payloads.map((payload, index) =>
              session.request(bytes(payload), { idempotent: index % 2 === 0 }),
            ),
          );
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.status === 'fulfilled') {
              if (text(outcome.value) !== payloads[index])
                throw new Error(`${payloads[index]} got ${text(outcome.value)}`);
            } else if (!(outcome.reason instanceof BrokerPoolError) || !CODES.has(outcome.reason.code))
              throw outcome.reason;
          }
          const { inFlight, waiting } = session.stats();
          if (inFlight !== 0 || waiting !== 0) throw new Error('requests are left');
          await session.close({ timeoutMs: 0 });
        },
      ),
      { numRuns: 60 },
    ),
  );
});

test('a flood of frames that were not asked for keeps no request from its answer, and is not kept', async (t) => {
  const flood = Buffer.concat(
    Array.from({ length: 2_000 }, (_, index) =>
      encoded({
        envelopeVersion: 1,
        kind: index % 4,
        payloadProtocol: PROTOCOL,
        payload: randomBytes(100),
        requestId: 10_000_000 + index,
      }),
    ),
  );
  const backend = await startBackend(t, (request, connection) => {
    for (let times = 0; times < 10; times++) connection.socket.write(flood);
    connection.answer(request, request.payload);
  });
  const session = openDirect(t, backend, { connections: 1 });
  for (const name of ['a', 'b', 'c']) t.is(text(await session.request(bytes(name))), name);
  t.is(session.stats().unaskedFrames, 60_000);
});

test('requests with random sizes, aborts and lost connections get their own answers', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    if (randomInt(200) === 0) return void connection.socket.destroy();
    setImmediate(() => {
      if (!connection.socket.destroyed) connection.answer(request, request.payload);
    });
  });
  const session = openDirect(t, backend, { timeoutMs: 20_000 });
  let wrong = 0;
  let answered = 0;
  const caller = async (): Promise<void> => {
    for (let count = 0; count < 40; count++) {
      const payload = randomBytes(randomInt(10) === 0 ? randomInt(300_000) : randomInt(2_000));
      const controller = new AbortController();
      if (randomInt(10) === 0) setImmediate(() => controller.abort());
      try {
        const answer = await session.request(payload, { signal: controller.signal, idempotent: true });
        answered++;
        if (Buffer.compare(answer, payload) !== 0) wrong++;
      } catch (error) {
        if (!(error instanceof BrokerPoolError)) throw error;
        if (!['ABORTED', 'UNEXPECTED_EOF', 'FRAME_IO'].includes(error.code)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 25 }, caller));
  t.is(wrong, 0);
  t.true(answered > 700, String(answered));
  t.like(session.stats(), { inFlight: 0, waiting: 0 });
});
