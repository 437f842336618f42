import type { ExecutionContext } from 'ava';
import type { Driver, Job, Outcome } from '../../src/negotiation/job.js';
import { MAX_FRAME_BYTES } from '../../src/wire/frame.js';
import { endpointIn } from '../helpers/endpoints.js';
import { collectGarbage } from '../helpers/heap.js';
import { until } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { closed } from '../helpers/talk.js';
import { adminJob, connectionOf, DRIVERS, failureOf, handshakeJob, run } from '../negotiation/drivers-kit.js';
import { lastingDriver } from '../negotiation/lasting-driver.js';
import { fuzzDriver } from './driver-property.js';
import { heard, keep, reset, say, trickle, type Conduct, type HostilePeer } from './hostile-peer.js';
import { TOKEN } from './message-tree.js';
import { judge, type Mode } from './oracle.js';
import { hostilePeer } from './peer-kit.js';
import { seedFromEnvironment, SEED_VARIABLE } from '../helpers/seed.js';
import { HALF_OPEN, onWindows, testWhere } from '../helpers/test-where.js';
import { ADMIN_WIRE, header, negotiatedWire, OTHER_TOKEN, readyWire } from './wires.js';

const seed = seedFromEnvironment();
/** For streams that a real socket has to carry; the pure exchanges see far more. */
const CONNECTIONS = 60;
/** Deadlines that are meant to pass. They must leave time for many dials, which take longer with pipes. */
const SHORT_MS = scaled(onWindows ? 500 : 100);
/** The same for a peer that never stops sending: it takes a whole processor. */
const BUSY_MS = 100;
/** A look at the memory costs a garbage collection. */
const LOOK_BYTES = 4 * 1024 * 1024;
const MEGABYTE = Buffer.from(Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 31) >> 3));
const BUFFERS_BYTES = 3 * MAX_FRAME_BYTES + 8 * 1024 * 1024;

interface Stage {
  readonly driver: Driver;
  readonly broker: HostilePeer;
  /** A well-behaved backend. */
  readonly backend: string;
}

async function setTheStage(
  t: ExecutionContext,
  create: () => Driver,
  conduct: Conduct = () => {},
): Promise<Stage> {
  const { backend } = await startSystem(t);
  return { driver: lastingDriver(create), broker: await hostilePeer(t, conduct), backend: backend.endpoint };
}

function job(
  mode: Mode,
  endpoint: string,
  limits: { roundTripTimeoutMs?: number; handoffReadyTimeoutMs?: number } = {},
): Job {
  const { roundTripTimeoutMs } = limits;
  if (mode === 'admin')
    return adminJob(endpoint, roundTripTimeoutMs === undefined ? {} : { roundTripTimeoutMs });
  return handshakeJob(endpoint, { adoptHandedOffConnection: mode === 'adopting', ...limits });
}

/**
 * The outcome in a word: the route, the code of the failure, or the answer; with its phase where it is a
 * timeout.
 */
async function ending(outcome: Outcome): Promise<string> {
  if (outcome.kind === 'answered') return 'answer';
  if (outcome.kind === 'failed')
    return outcome.failure.phase === undefined ? outcome.failure.code : `TIMEOUT in ${outcome.failure.phase}`;
  await closed(outcome.socket);
  return outcome.route;
}

/** The same word for what the oracle says about a stream that ends. */
function expectedEnding(mode: Mode, stream: Uint8Array): string {
  const verdict = judge(mode, stream);
  switch (verdict.kind) {
    case 'adopt':
      return 'handle-passed';
    case 'reconnect':
      return 'broker-negotiated';
    case 'answer':
      return 'answer';
    case 'failed':
      return verdict.code;
  }
}

/** All bytes of a broker in an exchange that succeeds. */
function conversation(mode: Mode, backend: string): Uint8Array {
  return mode === 'admin'
    ? ADMIN_WIRE
    : Buffer.concat([negotiatedWire(backend), mode === 'adopting' ? readyWire() : new Uint8Array(0)]);
}

/** How jobs end whose broker falls silent after each number of bytes from `least` to `most`. */
async function silences(
  { driver, broker }: Pick<Stage, 'driver' | 'broker'>,
  whole: Uint8Array,
  least: number,
  most: number,
  silent: Job,
): Promise<string[]> {
  let next = least;
  broker.conduct = async (socket) => {
    const bytes = next++;
    await heard(socket);
    await say(socket, whole.subarray(0, bytes));
    keep(socket);
  };
  const outcomes = await Promise.all(Array.from({ length: most - least + 1 }, () => run(driver, silent)));
  return await Promise.all(outcomes.map(ending));
}

const CUTS: Readonly<Record<string, Conduct>> = {
  'an end': (socket) => {
    socket.end();
  },
  'a reset': reset,
};

for (const [name, create] of DRIVERS) {
  for (const mode of ['reconnecting', 'adopting', 'admin'] as const) {
    for (const [cut, finish] of Object.entries(CUTS)) {
      test.serial(
        `${name}, ${mode}: ${cut} at every byte of the exchange ends it as the protocol says (G-04, C-39, C-45)`,
        async (t) => {
          const { driver, broker, backend } = await setTheStage(t, create);
          const whole = conversation(mode, backend);
          for (let bytes = 0; bytes <= whole.length; bytes++) {
            const said = whole.subarray(0, bytes);
            broker.conduct = async (socket) => {
              if (finish !== reset) await heard(socket);
              await say(socket, said);
              await finish(socket);
            };
            t.is(
              await ending(await run(driver, job(mode, broker.endpoint))),
              expectedEnding(mode, said),
              `after ${bytes} bytes`,
            );
          }
        },
      );
    }

    test.serial(
      `${name}, ${mode}: silence at every byte of the reply ends at its deadline, and no client hangs up before the reply (G-02, G-16)`,
      async (t) => {
        const { driver, broker, backend } = await setTheStage(t, create);
        const reply = mode === 'admin' ? ADMIN_WIRE : negotiatedWire(backend);
        const endings = await silences(
          { driver, broker },
          reply,
          0,
          reply.length - 1,
          job(mode, broker.endpoint, { roundTripTimeoutMs: SHORT_MS }),
        );
        t.deepEqual(new Set(endings), new Set([`TIMEOUT in ${mode === 'admin' ? 'admin' : 'hello'}`]));
        t.true(await until(() => broker.open === reply.length), 'all of them owe a reply, and are kept');
      },
    );
  }

  test.serial(
    `${name}: silence at every byte of the ready event is a reconnect at its deadline (G-02, C-42, C-45)`,
    async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create);
      const whole = conversation('adopting', backend);
      const replyBytes = negotiatedWire(backend).length;
      const adopting = job('adopting', broker.endpoint, { handoffReadyTimeoutMs: SHORT_MS });
      const endings = await silences({ driver, broker }, whole, replyBytes, whole.length - 1, adopting);
      t.deepEqual(new Set(endings), new Set(['broker-negotiated']));
      t.true(await until(() => broker.open === 0), 'no reply is pending any more');
    },
  );

  test.serial(
    `${name}: bytes that never stop coming do not move the deadline of the reply (G-02)`,
    async (t) => {
      const { driver, broker } = await setTheStage(t, create, async (socket) => {
        await say(socket, header(MAX_FRAME_BYTES));
        await trickle(socket, Uint8Array.of(0));
      });
      const failure = failureOf(
        await run(driver, job('reconnecting', broker.endpoint, { roundTripTimeoutMs: BUSY_MS })),
      );
      t.like(failure, { code: 'TIMEOUT', phase: 'hello' });
    },
  );

  test.serial(
    `${name}: bytes that never stop coming do not move the deadline of the handoff (G-02, C-42)`,
    async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create, async (socket) => {
        await say(socket, Buffer.concat([negotiatedWire(backend), header(MAX_FRAME_BYTES)]));
        await trickle(socket, Uint8Array.of(0));
      });
      t.is(
        await ending(await run(driver, job('adopting', broker.endpoint, { handoffReadyTimeoutMs: BUSY_MS }))),
        'broker-negotiated',
      );
    },
  );

  test.serial(
    `${name}: a broker that sends a whole frame of nonsense takes no more than the frame's memory (G-03)`,
    async (t) => {
      const piece = Buffer.alloc(1024 * 1024, 0xff);
      collectGarbage();
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      const { driver, broker } = await setTheStage(t, create, async (socket) => {
        await say(socket, header(MAX_FRAME_BYTES));
        for (let sent = 0; sent < MAX_FRAME_BYTES; sent += piece.length) {
          await say(socket, piece);
          if (sent % LOOK_BYTES !== 0) continue;
          // Buffers that were read and freed do not count as growth.
          collectGarbage();
          most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        }
        keep(socket);
      });
      const failure = failureOf(await run(driver, job('reconnecting', broker.endpoint)));
      t.is(failure.code, 'DECODE_FRAME');
      t.true(most < BUFFERS_BYTES, `${most} bytes`);
    },
  );

  test.serial(
    `${name}: a declared length from 16 MiB + 1 to 4 GiB fails as FRAME_TOO_LARGE before the body (G-03, W-07)`,
    async (t) => {
      const { driver, broker } = await setTheStage(t, create);
      for (const bytes of [MAX_FRAME_BYTES + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
        broker.conduct = async (socket) => {
          await say(socket, header(bytes));
          await trickle(socket, Buffer.alloc(64 * 1024));
        };
        t.is(failureOf(await run(driver, job('reconnecting', broker.endpoint))).code, 'FRAME_TOO_LARGE');
      }
    },
  );

  test.serial(
    `${name}: a reply sent before the request was read counts, and an endless flood after it changes nothing`,
    async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create);
      for (const mode of ['reconnecting', 'admin'] as const) {
        broker.conduct = async (socket) => {
          await say(socket, conversation(mode, backend));
          await trickle(socket, Buffer.alloc(64 * 1024));
        };
        t.is(
          await ending(await run(driver, job(mode, broker.endpoint))),
          mode === 'admin' ? 'answer' : 'broker-negotiated',
        );
      }
    },
  );

  for (const [title, ready] of [
    ['another token', readyWire(OTHER_TOKEN)],
    ['a token that is one byte short', readyWire(TOKEN.subarray(0, 15))],
    ['the token twice', readyWire(Buffer.concat([TOKEN, TOKEN]))],
    ['no token', readyWire(new Uint8Array(0))],
    ['another token and a no', readyWire(OTHER_TOKEN, 0n)],
    ['a no', readyWire(TOKEN, 0n)],
    ['a second reply in its place', negotiatedWire(endpointIn('/nowhere', 'else'))],
  ] as const) {
    test.serial(`${name}: a ready event with ${title} is a reconnect (G-05, C-43, C-45)`, async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create, (socket) =>
        say(socket, Buffer.concat([negotiatedWire(backend), ready])),
      );
      const connection = connectionOf(await run(driver, job('adopting', broker.endpoint)));
      t.is(connection.route, 'broker-negotiated');
      t.is(connection.endpoint, backend);
      await closed(connection.socket);
    });
  }

  test.serial(`${name}: a ready event before the reply fails as UNEXPECTED_RESPONSE_FRAME`, async (t) => {
    const { driver, broker, backend } = await setTheStage(t, create, (socket) =>
      say(socket, Buffer.concat([readyWire(), negotiatedWire(backend)])),
    );
    t.is(failureOf(await run(driver, job('adopting', broker.endpoint))).code, 'UNEXPECTED_RESPONSE_FRAME');
  });

  test.serial(
    `${name}: a ready event with the right token and another connection id hands over the connection (C-43)`,
    async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create, (socket) =>
        say(socket, Buffer.concat([negotiatedWire(backend), readyWire(TOKEN, 1n, 77n)])),
      );
      t.is(await ending(await run(driver, job('adopting', broker.endpoint))), 'handle-passed');
    },
  );

  testWhere(
    !onWindows,
    HALF_OPEN,
    test.serial,
  )(
    `${name}: the caller reads all bytes after the ready event, be it a second event or a megabyte (G-06, C-47)`,
    async (t) => {
      const { driver, broker, backend } = await setTheStage(t, create);
      for (const behind of [readyWire(), MEGABYTE]) {
        broker.conduct = async (socket) => {
          await say(socket, Buffer.concat([negotiatedWire(backend), readyWire(), behind]));
          socket.end();
        };
        const { socket, route } = connectionOf(await run(driver, job('adopting', broker.endpoint)));
        t.is(route, 'handle-passed');
        const chunks: Buffer[] = [];
        for await (const chunk of socket) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
        t.true(Buffer.concat(chunks).equals(behind));
        await closed(socket);
      }
    },
  );

  test.serial(
    `${name}: ${CONNECTIONS} hostile streams end over a real socket as the oracle says (G-04)`,
    async (t) => {
      t.log(`seed ${seed}; set ${SEED_VARIABLE} to run it again`);
      await t.notThrowsAsync(fuzzDriver(create, CONNECTIONS, seed));
    },
  );
}
