/**
 * The broker as its authors ship it, in launch mode: it and the backends that it starts are processes of
 * their own.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { ExecutionContext } from 'ava';
import { BrokerPool, type BrokerPoolOptions } from '../../src/index.js';
import { FrameDecoder } from '../../src/wire/frame.js';
import { decodeFrame, decodeHelloReply, RefusalCode } from '../../src/wire/messages.js';
import { until } from '../helpers/leftovers.js';
import { ask } from '../helpers/talk.js';
import { interopTest, program } from './interop.js';
import { installShippedBroker, ShippedBroker } from './shipped-broker.js';

async function start(t: ExecutionContext, serviceName: string): Promise<ShippedBroker> {
  installShippedBroker();
  const broker = await ShippedBroker.start(t);
  broker.define(serviceName, program);
  return broker;
}

function openPool(t: ExecutionContext, options: BrokerPoolOptions): BrokerPool {
  const pool = new BrokerPool({ wantedVersion: '1.2.3', ...options });
  t.teardown(() => pool.destroy());
  return pool;
}

/** Asks the backend for an echo; tells where it listens and by what route. */
async function works(t: ExecutionContext, pool: BrokerPool): Promise<{ endpoint: string; route: string }> {
  return await pool.use(async ({ endpoint, route, socket }) => {
    t.is(await ask(socket, 'works'), 'works');
    return { endpoint, route };
  });
}

interopTest(
  'the backend alone is killed: the broker launches another at the next Hello (G-13, G-18, V-88, X-27)',
  async (t) => {
    const broker = await start(t, 'mortal');
    const pool = openPool(t, { brokerEndpoint: broker.endpoint, serviceName: 'mortal' });
    const first = await works(t, pool);
    broker.killBackends();
    t.true(await until(() => pool.stats().total === 0), 'what was idle is gone at once');
    const second = await works(t, pool);
    t.is(second.route, 'broker-negotiated');
    t.not(second.endpoint, first.endpoint);
  },
);

interopTest(
  'the broker alone is killed: leases and known endpoints need none; when it is back, it is asked again (G-13, L-03, C-13)',
  async (t) => {
    const broker = await start(t, 'orphan');
    const pool = openPool(t, { brokerEndpoint: broker.endpoint, serviceName: 'orphan' });
    const lease = await pool.acquire();
    await broker.kill();
    t.is(await ask(lease.socket, 'still here'), 'still here');
    t.is((await works(t, pool)).route, 'hello-skip');
    lease.release();
    pool.clear();
    t.is(
      (await t.throwsAsync(pool.acquire({ timeoutMs: 5_000 }), { code: 'BROKER_CONNECT' }))?.name,
      'BrokerPoolError',
    );
    await broker.restart();
    t.is((await works(t, pool)).route, 'broker-negotiated');
  },
);

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

interopTest(
  'a cold herd of 500 callers has the launching broker start one backend, and none of them is told RATE_LIMITED (G-14, V-84, X-23)',
  async (t) => {
    const broker = await start(t, 'herd');
    const brokerEndpoint = `${broker.endpoint}.proxy`;
    const conversations = await listeningProxy(t, brokerEndpoint, broker.endpoint);
    const pool = openPool(t, { brokerEndpoint, serviceName: 'herd', max: 100, maxConnecting: 16 });
    await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        await pool.use(async ({ socket }) => t.is(await ask(socket, `caller ${index}`), `caller ${index}`));
      }),
    );
    const refusals = conversations.map(refusalIn).filter((code) => code !== undefined);
    t.false(refusals.includes(RefusalCode.RATE_LIMITED));
    // On a busy machine the broker may give up on a backend that it has just launched (L-15); that Hello is
    // said again.
    t.is(
      conversations.length,
      1 + refusals.filter((code) => code === RefusalCode.BACKEND_SPAWN_FAILED).length,
      'one Hello',
    );
    t.is(pool.stats().connectFailures, 0);
  },
);
