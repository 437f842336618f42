/** Another program listens at a remembered endpoint; the broker names a new one. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { systemClock, type Clock } from '../../../src/clock.js';
import {
  BrokerPool,
  type BrokerPoolOptions,
  type ConnectionToValidate,
  type Lease,
} from '../../../src/index.js';
import { EmbeddedBackend, EmbeddedBroker } from '../../../src/testing/index.js';
import { until } from '../../helpers/leftovers.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { SERVICE, VERSION } from '../../helpers/system.js';

type Serve = (socket: Socket) => void;

const answerAs =
  (name: string): Serve =>
  (socket) =>
    void socket.on('data', () => socket.write(name)).on('end', () => socket.end());
const RIGHT = answerAs('right');
const WRONG = answerAs('wrong');
const BANNER: Serve = (socket) => void socket.end('go away');

/** The name of the backend that answers; `undefined` if the connection ends without an answer. */
async function ask(socket: Socket): Promise<string | undefined> {
  const ended = once(socket, 'close').then(
    () => undefined,
    () => undefined,
  );
  const answered = once(socket, 'data').then(
    ([bytes]) => String(bytes),
    () => undefined,
  );
  socket.write('who?');
  return await Promise.race([answered, ended]);
}

/** A target whose backend has moved: at its old endpoint `stranger` serves. */
class MovedBackend {
  readonly #t: ExecutionContext;
  readonly #directory: string;
  readonly broker: EmbeddedBroker;
  #old: EmbeddedBackend;

  private constructor(t: ExecutionContext, directory: string, broker: EmbeddedBroker, old: EmbeddedBackend) {
    this.#t = t;
    this.#directory = directory;
    this.broker = broker;
    this.#old = old;
  }

  static async start(t: ExecutionContext): Promise<MovedBackend> {
    const directory = temporaryDirectory(t);
    const old = await EmbeddedBackend.start({ directory, onConnection: RIGHT });
    const broker = await EmbeddedBroker.start({
      directory,
      services: { [SERVICE]: { endpoint: old.endpoint, version: VERSION } },
    });
    const moved = new MovedBackend(t, directory, broker, old);
    t.teardown(async () => {
      await broker.stop();
      await moved.#old.stop();
    });
    return moved;
  }

  get oldEndpoint(): string {
    return this.#old.endpoint;
  }

  openPool(options: BrokerPoolOptions = {}, clock = systemClock): BrokerPool {
    const target = {
      brokerEndpoint: this.broker.endpoint,
      serviceName: SERVICE,
      wantedVersion: VERSION,
      max: 1,
    };
    const pool = new BrokerPool({ ...target, ...options }, clock);
    this.#t.teardown(() => pool.destroy());
    return pool;
  }

  /** Leaves the old endpoint to a stranger, and unless told otherwise tells the broker. */
  async move(stranger: Serve, isBrokerTold = true): Promise<void> {
    const { endpoint } = this.#old;
    await this.#old.stop();
    this.#old = await EmbeddedBackend.start({ endpoint, onConnection: stranger });
    const successor = await EmbeddedBackend.start({ directory: this.#directory, onConnection: RIGHT });
    this.#t.teardown(() => successor.stop());
    if (isBrokerTold) this.broker.services.set(SERVICE, { endpoint: successor.endpoint, version: VERSION });
  }
}

/**
 * The end of a connection speaks against its endpoint for a second: here that is 20 s, on a busy machine too. It
 * starts with the time of the system, by which the driver counts the 30 s of a Hello.
 */
function slowClock(): Clock {
  const startedMs = systemClock.now();
  return { ...systemClock, now: () => startedMs + (systemClock.now() - startedMs) / 20 };
}

/** A pool that has leased one connection from the right backend, before that moved. */
async function poolOfMoved(
  t: ExecutionContext,
  stranger: Serve,
  options?: BrokerPoolOptions,
): Promise<{ moved: MovedBackend; pool: BrokerPool }> {
  const moved = await MovedBackend.start(t);
  const pool = moved.openPool(options, slowClock());
  const lease = await pool.acquire();
  t.is(await ask(lease.socket), 'right');
  lease.release();
  await moved.move(stranger);
  t.true(await until(() => pool.stats().total === 0), 'the old connection is gone');
  t.is(pool.stats().cachedEndpoints, 1);
  return { moved, pool };
}

/** Eight acquires in turn; returns the backends that answered, and ends each lease with `end`. */
async function answers(
  pool: BrokerPool,
  end: (lease: Lease, answer: string | undefined) => void | Promise<void>,
): Promise<(string | undefined)[]> {
  const heard: (string | undefined)[] = [];
  for (let turn = 0; turn < 8; turn++) {
    const lease = await pool.acquire();
    const answer = await ask(lease.socket);
    heard.push(answer);
    await end(lease, answer);
  }
  return heard;
}

const SEVEN_RIGHT = Array.from({ length: 7 }, () => 'right');

test('the pool asks the broker again for an endpoint where a caller found the connection invalid', async (t) => {
  const { moved, pool } = await poolOfMoved(t, WRONG);
  const heard = await answers(pool, (lease, answer) =>
    answer === 'right' ? lease.release() : lease.destroy('invalid'),
  );
  t.deepEqual(heard, ['wrong', ...SEVEN_RIGHT]);
  t.is(moved.broker.helloCount, 2);
});

test('the pool asks the broker again for an endpoint whose backend greets and hangs up', async (t) => {
  const { moved, pool } = await poolOfMoved(t, BANNER);
  const heard = await answers(pool, async (lease, answer) => {
    if (answer !== 'right' && !lease.spent) await once(lease.socket, 'close').catch(() => {});
    if (!lease.spent) lease.release();
  });
  t.deepEqual(heard, ['go away', ...SEVEN_RIGHT]);
  t.is(moved.broker.helloCount, 2);
});

test('the pool asks the broker again for an endpoint where the work of a caller fails at once', async (t) => {
  const { moved, pool } = await poolOfMoved(t, WRONG);
  const work = async ({ socket }: Lease): Promise<void> => {
    if ((await ask(socket)) !== 'right') throw new Error('not understood');
  };
  await t.throwsAsync(pool.use(work), { message: 'not understood' });
  for (let turn = 0; turn < 7; turn++) await t.notThrowsAsync(pool.use(work));
  t.is(moved.broker.helloCount, 2);
});

test('with validate, no caller gets a connection to a remembered endpoint where another program listens', async (t) => {
  const asked: ConnectionToValidate['route'][] = [];
  const validate = async ({ socket, route }: ConnectionToValidate): Promise<boolean> => {
    asked.push(route);
    return (await ask(socket)) === 'right';
  };
  const { moved, pool } = await poolOfMoved(t, WRONG, { validate });
  t.deepEqual(asked, [], 'what the broker has just named is believed');
  t.deepEqual(await answers(pool, (lease) => lease.release()), ['right', ...SEVEN_RIGHT]);
  t.deepEqual(asked, ['hello-skip']);
  t.is(moved.broker.helloCount, 2);
  t.is(pool.stats().closedByReason.invalid, 1);
});

test('a new connection to a remembered endpoint is leased once it has been validated', async (t) => {
  const moved = await MovedBackend.start(t);
  let asked = 0;
  const pool = moved.openPool({ max: 4, maxConnecting: 4, validate: () => (asked += 1) > 0 });
  const first = await pool.acquire();
  const others = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  t.deepEqual(
    others.map(({ route }) => route),
    ['hello-skip', 'hello-skip', 'hello-skip'],
  );
  t.is(asked, 3);
  t.is(moved.broker.helloCount, 1);
  for (const lease of [first, ...others]) lease.release();
});

test('without validate a new connection is leased at once', async (t) => {
  const moved = await MovedBackend.start(t);
  const pool = moved.openPool({ max: 2 });
  const first = await pool.acquire();
  const second = await pool.acquire();
  t.is(second.route, 'hello-skip');
  t.is(pool.stats().created, 2);
  first.release();
  second.release();
});

test('the pool forgets the endpoint of an idle connection that validate refuses', async (t) => {
  let isGood = true;
  const moved = await MovedBackend.start(t);
  const pool = moved.openPool({ validate: () => isGood, validateAfterIdleMs: 0 });
  const lease = await pool.acquire();
  t.is(await ask(lease.socket), 'right');
  lease.release();
  await new Promise(setImmediate);
  isGood = false;
  await pool.use(() => {});
  t.is(pool.stats().closedByReason.invalid, 1);
  t.is(moved.broker.helloCount, 2);
});

test('the file of the endpoint cache does not pass on an endpoint with evidence against it', async (t) => {
  const endpointCache = { file: `${temporaryDirectory(t)}/endpoints.json` };
  const { moved, pool } = await poolOfMoved(t, WRONG, { endpointCache });
  const wrong = await pool.acquire();
  t.is(await ask(wrong.socket), 'wrong');
  wrong.destroy('invalid');
  await pool.close();
  const other = moved.openPool({ endpointCache });
  const lease = await other.acquire();
  t.is(lease.route, 'broker-negotiated');
  t.is(await ask(lease.socket), 'right');
  lease.release();
});

test('evidence of one process overrides the memory of another', async (t) => {
  const endpointCache = { file: `${temporaryDirectory(t)}/endpoints.json` };
  const { moved, pool } = await poolOfMoved(t, WRONG, { endpointCache });
  const other = moved.openPool({ endpointCache });
  const [one, two] = [await pool.acquire(), await other.acquire()];
  t.deepEqual([one.endpoint, two.endpoint], [moved.oldEndpoint, moved.oldEndpoint]);
  one.destroy('invalid');
  await pool.close();
  two.destroy();
  // It still has the endpoint in memory, and must not write it again.
  await other.close();
  const third = moved.openPool({ endpointCache });
  t.is((await third.acquire()).route, 'broker-negotiated');
});

test('evidence against an old endpoint leaves the new one alone', async (t) => {
  const moved = await MovedBackend.start(t);
  const pool = moved.openPool({ max: 3 });
  const old = [await pool.acquire(), await pool.acquire()];
  await moved.move(WRONG);
  const lease = await pool.acquire();
  lease.destroy('invalid');
  const renewed = await pool.acquire();
  t.is(renewed.route, 'broker-negotiated');
  for (const each of old) if (!each.spent) each.destroy('invalid');
  renewed.destroy();
  const next = await pool.acquire();
  t.is(next.route, 'hello-skip');
  t.not(next.endpoint, moved.oldEndpoint);
  next.release();
});

test('a broker that insists on an endpoint is not asked for each connection', async (t) => {
  const moved = await MovedBackend.start(t);
  const pool = moved.openPool();
  const startedMs = performance.now();
  for (let turn = 0; turn < 200; turn++) (await pool.acquire()).destroy('invalid');
  // One at first, one after the first evidence, then after spans of at least 50 ms, 100 ms, …
  const mostSpans = Math.log2((performance.now() - startedMs) / 50 + 1) + 1;
  t.true(moved.broker.helloCount <= 2 + mostSpans, `${moved.broker.helloCount} Hellos`);
  t.true(moved.broker.helloCount >= 2);
});

for (const [title, serve, options] of [
  ['hangs up', BANNER, {}],
  ['never passes its keepalive', RIGHT, { validate: () => false, keepaliveMs: 5 }],
] as const) {
  test(`a backend that ${title} is not dialled again and again to keep connections open`, async (t) => {
    const moved = await MovedBackend.start(t);
    await moved.move(serve, false);
    // Before the pool: its first pause may begin sooner than the line behind it.
    const startedMs = performance.now();
    const pool = moved.openPool({ max: 2, min: 2, ...options });
    t.true(await until(() => pool.stats().created >= 5));
    // Two at first, one in place of the first that ends; then pauses of 50 ms and 100 ms. Without pauses five
    // connections take under 10 ms; the bound leaves room for timers that fire a little early.
    const tookMs = performance.now() - startedMs;
    t.true(tookMs >= 100, `5 connections in ${tookMs} ms`);
  });
}
