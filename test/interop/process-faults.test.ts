import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions, type ErrorCode } from '../../src/index.js';
import { FrameDecoder } from '../../src/wire/frame.js';
import { decodeFrame, decodeHelloReply, RefusalCode } from '../../src/wire/messages.js';
import { until } from '../helpers/leftovers.js';
import { ask } from '../helpers/talk.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';
import { installShippedBroker, ShippedBroker } from './shipped-broker.js';

const SHORT_MS = 200;

function poolOf({ endpoints }: RealBroker, options: BrokerPoolOptions = {}): BrokerPool {
  return new BrokerPool({ brokerEndpoint: endpoints.broker, serviceName: endpoints.service, wantedVersion: endpoints.version, ...options });
}

async function works(t: ExecutionContext, pool: BrokerPool): Promise<void> {
  await pool.use(async ({ socket }) => t.is(await ask(socket, 'works'), 'works'));
}

async function fails(t: ExecutionContext, pool: BrokerPool, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(pool.acquire({ timeoutMs: 5_000 }), { instanceOf: BrokerPoolError });
  t.is(error?.code, code);
}

interopTest('the real broker and its backend are killed and come back: so does the pool (G-13, G-18)', async (t) => {
  const real = await RealBroker.start(program, 'accept');
  for (const adoptHandedOffConnection of [false, true, 'auto'] as const) {
    const pool = poolOf(real, { adoptHandedOffConnection });
    await works(t, pool);
    await real.kill();
    t.true(await until(() => pool.stats().total === 0), 'what was idle is gone at once');
    await fails(t, pool, 'BROKER_CONNECT');
    await real.restart();
    await works(t, pool);
    await pool.close();
  }
  await real.stop();
});

interopTest('the real broker is stopped: callers get their deadline; it goes on, and nobody has hung up on it (G-01, G-16, V-31)', async (t) => {
  const real = await RealBroker.start(program);
  const pool = poolOf(real);
  real.pause();
  for (const outcome of await Promise.allSettled(Array.from({ length: 5 }, () => pool.acquire({ timeoutMs: SHORT_MS })))) {
    t.like(outcome, { status: 'rejected', reason: { code: 'TIMEOUT', phase: 'hello' } });
  }
  real.resume();
  t.true(await until(() => pool.stats().idle > 0), 'what was begun has ended well');
  await works(t, pool);
  t.is((await real.stats()).restarts, 0);
  await pool.close();
  await real.stop();
});

interopTest('a pool that is destroyed while the real broker is stopped does not end it (G-16, V-31)', async (t) => {
  const real = await RealBroker.start(program);
  real.pause();
  const pool = poolOf(real, { roundTripTimeoutMs: SHORT_MS, maxConnecting: 8, endpointCache: false });
  await Promise.allSettled(Array.from({ length: 8 }, () => pool.acquire()));
  await pool.destroy();
  real.resume();
  const next = poolOf(real);
  await works(t, next);
  t.is((await real.stats()).restarts, 0);
  await next.close();
  await real.stop();
});

interopTest('the real broker\'s socket file is removed, and replaced by a directory and a file (G-13)', async (t) => {
  const real = await RealBroker.start(program);
  const pool = poolOf(real, { endpointCache: false });
  const { broker } = real.endpoints;
  const take = async (): Promise<void> => (await pool.acquire()).destroy();
  await take();
  rmSync(broker);
  await fails(t, pool, 'BROKER_CONNECT');
  mkdirSync(broker);
  await fails(t, pool, 'BROKER_CONNECT');
  rmSync(broker, { recursive: true });
  writeFileSync(broker, 'not a socket');
  await fails(t, pool, 'BROKER_CONNECT');
  rmSync(broker);
  await real.kill();
  await real.restart();
  await take();
  await pool.close();
  await real.stop();
});

/** Passes everything on between clients and a broker, and keeps what the broker says to each. */
async function listeningProxy(t: ExecutionContext, endpoint: string, target: string): Promise<Buffer[][]> {
  const conversations: Buffer[][] = [];
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const said: Buffer[] = [];
    conversations.push(said);
    const broker = connect({ path: target, allowHalfOpen: true });
    for (const socket of [client, broker]) socket.on('error', () => {});
    broker.on('data', (chunk: Buffer) => said.push(chunk));
    client.pipe(broker).pipe(client);
  });
  proxy.listen(endpoint);
  await once(proxy, 'listening');
  t.teardown(() => new Promise<void>((resolve) => proxy.close(() => resolve())));
  return conversations;
}

/** The refusal in what a broker said; `undefined` where it said yes, or nothing. */
function refusalIn(said: readonly Buffer[]): number | undefined {
  const decoder = new FrameDecoder();
  for (const chunk of said) decoder.push(chunk);
  const body = decoder.read();
  const result = body && decodeHelloReply(decodeFrame(body).payload).result;
  return result?.kind === 'refused' ? result.refused.code : undefined;
}

interopTest('a cold herd of 500 callers has the launching broker start one backend, and none of them is told RATE_LIMITED (G-14, V-84, X-23)', async (t) => {
  installShippedBroker();
  const broker = await ShippedBroker.start(t);
  broker.define('herd', program);
  const brokerEndpoint = `${broker.endpoint}.proxy`;
  const conversations = await listeningProxy(t, brokerEndpoint, broker.endpoint);
  const pool = new BrokerPool({ brokerEndpoint, serviceName: 'herd', wantedVersion: '1.2.3', max: 100, maxConnecting: 16 });
  t.teardown(() => pool.destroy());
  await Promise.all(
    Array.from({ length: 500 }, async (_, index) => {
      await pool.use(async ({ socket }) => t.is(await ask(socket, `caller ${index}`), `caller ${index}`));
    }),
  );
  const refusals = conversations.map(refusalIn).filter((code) => code !== undefined);
  t.false(refusals.includes(RefusalCode.RATE_LIMITED));
  // On a busy machine the broker may give up on a backend that it has just launched (L-15); that Hello is said again.
  t.is(conversations.length, 1 + refusals.filter((code) => code === RefusalCode.BACKEND_SPAWN_FAILED).length, 'one Hello');
  t.is(pool.stats().connectFailures, 0);
});
