/** Node sessions against the crate's backends. */
import { openSession, type Session } from '../../src/frames/index.js';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions } from '../../src/index.js';
import { seedFromEnvironment } from '../helpers/seed.js';
import { EchoLoad, type EchoLoadOptions } from './echo-load.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';
import { COMMAND_PROTOCOL, ECHO_PROTOCOL, pattern, RustBackend } from './rust-frames.js';

const seed = seedFromEnvironment();
const ECHO = { payloadProtocol: ECHO_PROTOCOL };
/** The longest payload of an answer with an id below 128 (S-50). */
const LONGEST_ANSWER_BYTES = 16_777_201;

function load(session: Session, options: Partial<EchoLoadOptions> = {}): EchoLoad {
  return new EchoLoad(session, { requests: 500, callers: 32, largestBytes: 65_536, seed, ...options });
}

function command(session: Session, text: string, timeoutMs = 10_000): Promise<Uint8Array> {
  return session.request(Buffer.from(text), { payloadProtocol: COMMAND_PROTOCOL, timeoutMs });
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function poolOf({ endpoints }: RealBroker, options: BrokerPoolOptions = {}): BrokerPool {
  const { broker: brokerEndpoint, service: serviceName, version: wantedVersion } = endpoints;
  return new BrokerPool({ brokerEndpoint, serviceName, wantedVersion, ...options });
}

for (const [name, start] of [
  ['mux backend', () => RustBackend.startMux(program)],
  ['service server', () => RustBackend.startService(program)],
] as const) {
  interopTest(`a session gets its bytes back from the crate's ${name} (S-66, S-67)`, async (t) => {
    await using backend = await start();
    await using session = openSession({ endpoint: backend.endpoint }, ECHO);
    t.like(await load(session).run(), { answered: 500 }, `seed ${seed}`);
  });

  interopTest(`a session finds the crate's ${name} by its identity file (S-80)`, async (t) => {
    await using backend = await start();
    await using session = openSession({ identityFile: backend.identityFile }, ECHO);
    t.like(await load(session, { requests: 100 }).run(), { answered: 100 });
    await backend.kill();
    await t.throwsAsync(session.request(Buffer.of(1)));
    await backend.restart();
    t.like(await load(session, { requests: 100 }).run(), { answered: 100 }, 'another process');
  });
}

interopTest('the answers of a service server are taken in whatever order they come (S-53)', async (t) => {
  await using backend = await RustBackend.startService(program);
  await using session = openSession({ endpoint: backend.endpoint }, { ...ECHO, connections: 1 });
  const order: string[] = [];
  const ask = async (text: string): Promise<void> => {
    t.is(textOf(await session.request(Buffer.from(text))), text);
    order.push(text);
  };
  await Promise.all([ask('command: slow 200'), ask('command: slow 50'), ask('quick')]);
  t.deepEqual(order, ['quick', 'command: slow 50', 'command: slow 200']);
});

interopTest('doubled answers and events change no other answer (S-45)', async (t) => {
  await using backend = await RustBackend.startMux(program);
  await using session = openSession({ endpoint: backend.endpoint }, { ...ECHO, connections: 1 });
  const odd = ['twice', 'event', 'twice', 'event'];
  const answers = await Promise.all(odd.map((text) => command(session, text)));
  t.deepEqual(answers.map(textOf), odd);
  t.like(await load(session, { requests: 100 }).run(), { answered: 100 });
  t.is(session.stats().unaskedFrames, 4);
});

interopTest(
  'a request that is never answered times out alone, and its id is not used again (S-55)',
  async (t) => {
    await using backend = await RustBackend.startMux(program);
    await using session = openSession({ endpoint: backend.endpoint }, { ...ECHO, connections: 1 });
    const silent = t.throwsAsync(command(session, 'never', 100), { code: 'TIMEOUT' });
    t.like(await load(session, { requests: 100 }).run(), { answered: 100 });
    await silent;
    t.is(session.stats().abandoned, 1);
    t.like(await load(session, { requests: 100 }).run(), { answered: 100 });
  },
);

for (const [text, codes] of [
  ['close', ['UNEXPECTED_EOF', 'FRAME_IO']],
  ['half', ['UNEXPECTED_EOF', 'FRAME_IO']],
  ['garbage', ['FRAMING_VERSION']],
] as const) {
  interopTest(
    `a backend that answers with "${text}" fails that request; the next one is answered`,
    async (t) => {
      await using backend = await RustBackend.startMux(program);
      await using session = openSession({ endpoint: backend.endpoint }, { ...ECHO, connections: 1 });
      const error = await t.throwsAsync(command(session, text), { instanceOf: BrokerPoolError });
      t.true(
        codes.some((code) => code === error?.code),
        error?.code,
      );
      t.like(await load(session, { requests: 20 }).run(), { answered: 20 });
    },
  );
}

interopTest('the longest answer arrives whole (S-50)', async (t) => {
  await using backend = await RustBackend.startMux(program);
  await using session = openSession({ endpoint: backend.endpoint }, ECHO);
  for (const bytes of [0, 1, 65_536, LONGEST_ANSWER_BYTES]) {
    const answer = await command(session, `large ${bytes}`);
    t.true(Buffer.from(pattern(bytes)).equals(answer), `${bytes} bytes`);
  }
});

interopTest('sessions over a pool reach the mux backend by all three routes (S-41)', async (t) => {
  const real = await RealBroker.start(program, 'accept', 'mux');
  t.teardown(() => real.stop());
  const answers = async (pool: BrokerPool): Promise<void> => {
    await using session = openSession(pool, ECHO);
    t.like(await load(session, { requests: 50 }).run(), { answered: 50 });
  };
  const pool = poolOf(real, { max: 1 });
  t.teardown(() => pool.destroy());
  // The broker's own probe came first.
  t.like(await real.stats(), { probes: 1, backendConnections: 1 });
  await answers(pool);
  t.like(await real.stats(), { hellos: 1, handoffs: 0, backendConnections: 2 }, 'broker-negotiated');
  const lease = await pool.acquire();
  lease.destroy();
  await answers(pool);
  t.like(await real.stats(), { hellos: 1, handoffs: 0, backendConnections: 3 }, 'hello-skip');
  const adopting = poolOf(real, { max: 1, adoptHandedOffConnection: true });
  t.teardown(() => adopting.destroy());
  await answers(adopting);
  t.like(await real.stats(), { hellos: 2, handoffs: 1, backendConnections: 3 }, 'handle-passed');
  t.is((await real.stats()).restarts, 0);
});

interopTest('a session over a pool reaches a service server behind the real broker', async (t) => {
  await using service = await RustBackend.startService(program);
  // Until the broker has sent its own probe, the endpoint belongs to the broker's process.
  await service.kill();
  const real = await RealBroker.start(program, 'none', 'external', service.endpoint);
  t.teardown(() => real.stop());
  await service.restart();
  const pool = poolOf(real);
  t.teardown(() => pool.destroy());
  await using session = openSession(pool, ECHO);
  t.like(await load(session).run(), { answered: 500 });
  t.like(await real.stats(), { hellos: 1, restarts: 0 });
});

interopTest(
  '10,000 requests of random sizes, some aborted, while the mux backend is killed twice',
  async (t) => {
    await using backend = await RustBackend.startMux(program);
    await using session = openSession({ endpoint: backend.endpoint }, ECHO);
    const requests = 10_000;
    const repeated = ['BACKEND_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO'];
    const big = load(session, { requests, callers: 64, abortShare: 0.02, repeated });
    const done = big.run();
    for (let kills = 0; kills < 2; kills += 1) {
      while ((await backend.stats()).requests < 2_000);
      await backend.kill();
      await backend.restart();
    }
    const report = await done;
    t.is(report.answered + report.aborted, requests, `seed ${seed}`);
    t.true(report.aborted > 0);
    t.true(Object.keys(report.repeated).length > 0);
    t.log(report);
  },
);
