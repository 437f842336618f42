import { once } from 'node:events';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, openPool, poolEvent, startSharer } from './kit.js';

const sharingTest = testWhere(canShare, SHARING, test.serial);

sharingTest('a lease that another thread detaches counts until its socket closes', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await until(() => pool.stats().detached === 1);
  t.is(await sharer.call('echoDetached', 'a', 'word'), 'word');
  t.like(pool.stats(), { total: 1, leased: 0, detached: 1 });
  const waiting = pool.acquire();
  await sharer.call('closeDetached', 'a');
  (await waiting).release();
  t.like(pool.stats(), { total: 1, detached: 0, closedByReason: { destroyed: 1 } });
});

sharingTest('close() waits for the detached socket of another thread until that rests', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await until(() => pool.stats().detached === 1);
  let isOver = false;
  const ending = pool.close().then(() => (isOver = true));
  t.is(await sharer.call('echoDetached', 'a', 'word'), 'word');
  t.false(isOver);
  await sharer.call('restDetached', 'a');
  await ending;
  t.like(pool.stats(), { total: 0, detached: 0 });
});

sharingTest('close() ends a detached socket of another thread that rests already', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await sharer.call('restDetached', 'a');
  await pool.close();
  t.like(pool.stats(), { total: 0, detached: 0 });
});

sharingTest('the close() of a shared pool waits for its detached sockets until they rest', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  const ending = sharer.call('close');
  t.is(await sharer.call('echoDetached', 'a', 'word'), 'word');
  await sharer.call('restDetached', 'a');
  await ending;
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { detached: 0, closedByReason: { destroyed: 1 } });
});

sharingTest('a thread that ends gives the places of its detached sockets back', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await until(() => pool.stats().detached === 1);
  const closed = poolEvent(pool, 'connectionClosed');
  await sharer.worker.terminate();
  await closed;
  (await pool.acquire()).release();
  t.like(pool.stats(), { total: 1, detached: 0, closedByReason: { leaked: 1 } });
});

sharingTest('destroy() closes the detached sockets of other threads', async (t) => {
  const { backend, ...system } = await startSystem(t);
  const pool = openPool(t, { backend, ...system });
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await until(() => pool.stats().detached === 1);
  const gone = sharer.call('detachedEnded', 'a');
  await pool.destroy();
  await gone;
  t.like(pool.stats(), { total: 0, detached: 0 });
});

sharingTest('a thread that has nothing but a detached socket at rest ends by itself', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('detach', 'a');
  await sharer.call('restDetached', 'a');
  const exited = once(sharer.worker, 'exit');
  await sharer.call('leave');
  t.deepEqual(await exited, [0]);
});

sharingTest('connect() and resolve() work in another thread', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const sharer = await startSharer(t, pool);
  t.is(await sharer.call('resolve'), system.backend.endpoint);
  t.like(pool.stats(), { total: 1 });
  await sharer.call('connect', 'b');
  t.is(await sharer.call('echoDetached', 'b', 'word'), 'word');
  await sharer.call('closeDetached', 'b');
});
