import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { BrokerPool, BrokerPoolError } from '../../src/index.js';
import { claimName, releaseName } from '../../src/pool/pool-names.js';
import { POOL_EVENT_NAMES } from '../../src/pool/watching/events.js';
import { FAKE_BROKER } from '../helpers/endpoints.js';
import { fakePool, settled } from '../helpers/fake-pool.js';
import { collectGarbage } from '../helpers/garbage.js';
import test from '../helpers/sanitary.js';

test('a pool without a name has a generated one, and stats() has it', (t) => {
  const [one, two] = [fakePool(t).pool, fakePool(t).pool];
  t.regex(one.name, /^broker-pool-\d+$/);
  t.not(one.name, two.name);
  t.is(one.stats().name, one.name);
});

test('a generated name is never one that another pool was given', (t) => {
  const next = Number(fakePool(t).pool.name.slice('broker-pool-'.length)) + 1;
  const given = fakePool(t, { name: `broker-pool-${next}` }).pool;
  t.not(fakePool(t).pool.name, given.name);
});

test('a name that is generated in a worker thread is none of another thread', async (t) => {
  const index = new URL('../../src/index.js', import.meta.url).href;
  const program = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(index)}).then(async ({ BrokerPool }) => {
      const pool = new BrokerPool({ brokerEndpoint: ${JSON.stringify(FAKE_BROKER)} });
      parentPort.postMessage(pool.name);
      await pool.close();
    });`;
  const names = await Promise.all(
    [1, 2].map(async () => {
      const worker = new Worker(program, { eval: true });
      const exit = once(worker, 'exit');
      const [name]: string[] = await once(worker, 'message');
      await exit;
      return name;
    }),
  );
  for (const name of names) t.regex(name ?? '', /^broker-pool-\d+\.1$/);
  t.is(new Set(names).size, 2);
});

test('two open pools cannot share a name; a pool that has closed gives its name back', async (t) => {
  const { pool } = fakePool(t, { name: 'cache' });
  const again = (): BrokerPool => fakePool(t, { name: 'cache' }).pool;
  t.throws(again, {
    instanceOf: BrokerPoolError,
    code: 'INVALID_ARGUMENT',
    message: /^name is taken by another open pool: "cache"/,
  });
  await pool.close();
  const second = again();
  t.is(second.name, 'cache');
  await second.destroy();
  t.is(again().name, 'cache');
});

test('a pool whose other options are refused takes no name', (t) => {
  t.throws(() => new BrokerPool({ name: 'refused', max: 0 }), { code: 'INVALID_ARGUMENT' });
  t.is(fakePool(t, { name: 'refused' }).pool.name, 'refused');
});

test('a pool that was dropped without being closed gives its name back when it is collected', async (t) => {
  t.is(new BrokerPool({ name: 'dropped', brokerEndpoint: FAKE_BROKER }).name, 'dropped');
  await collectGarbage();
  await turn();
  t.is(fakePool(t, { name: 'dropped' }).pool.name, 'dropped');
});

test('a name that was given again stays taken when the pool that had it before is collected', async (t) => {
  let first: object | undefined = {};
  claimName(first, 'given twice');
  releaseName(first, 'given twice');
  const second = {};
  claimName(second, 'given twice');
  first = undefined;
  await collectGarbage();
  await turn();
  t.throws(() => claimName({}, 'given twice'), { code: 'INVALID_ARGUMENT' });
  releaseName(second, 'given twice');
});

for (const name of ['', ' ', ' a', 'a\n', '\u202eabc', 'a'.repeat(65), 5, null]) {
  test(`the name ${JSON.stringify(name)} is refused`, (t) => {
    const options = { brokerEndpoint: FAKE_BROKER };
    Object.assign(options, { name });
    t.throws(() => new BrokerPool(options), {
      code: 'INVALID_ARGUMENT',
      message: /^name must be 1 to 64 characters/,
    });
  });
}

test.serial('every event bears the name of its pool, on the channels too', async (t) => {
  const published: unknown[] = [];
  const onMessage = (message: unknown): void => void published.push(message);
  for (const name of POOL_EVENT_NAMES) subscribe(`broker-pool:${name}`, onMessage);
  t.teardown(() => {
    for (const name of POOL_EVENT_NAMES) unsubscribe(`broker-pool:${name}`, onMessage);
  });
  const { pool, connect, fail, pass } = fakePool(t, { name: 'watched', max: 1, leakThresholdMs: 100 });
  const heard = new Set<string>();
  for (const name of POOL_EVENT_NAMES)
    pool.on(name, (event: { readonly pool: string }) => void (event.pool === 'watched' && heard.add(name)));
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  await pass(100);
  lease.destroy();
  const failing = pool.acquire().catch(() => {});
  await fail({ code: 'UNEXPECTED_EOF', message: 'tried again once' });
  await pass(100);
  await fail();
  await failing;
  pool.clear();
  await pool.close();
  await settled();
  t.deepEqual([...heard].toSorted(), [...POOL_EVENT_NAMES].toSorted());
  for (const message of published) t.like(message, { pool: 'watched' });
});

test('closed says from the call of close or destroy on that nothing can be acquired', async (t) => {
  const one = fakePool(t).pool;
  t.false(one.closed);
  const closing = one.close();
  t.true(one.closed);
  await closing;
  t.true(one.closed);
  const other = fakePool(t).pool;
  void other.destroy();
  t.true(other.closed);
});

test('stats() has the limits of each target', (t) => {
  t.like(fakePool(t, { max: 7, min: 0 }).pool.stats(), { max: 7, min: 0 });
});
