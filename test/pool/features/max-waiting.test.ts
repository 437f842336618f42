import { fakePool, type FakePool } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

/** Leases a number of connections of a target. */
async function lease({ pool, connect }: FakePool, count: number, serviceName = 'demo') {
  const acquiring = Array.from({ length: count }, () => pool.acquire({ serviceName }));
  while (pool.stats().connecting > 0) await connect();
  return await Promise.all(acquiring);
}

test('a caller that waits for a connection that can still be opened does not count towards maxWaiting', async (t) => {
  const fake = fakePool(t, { max: 3, maxWaiting: 1, maxConnecting: 1 });
  const { pool, connect } = fake;
  const acquiring = Array.from({ length: 4 }, () => pool.acquire());
  t.is((await failureOf(pool.acquire())).code, 'QUEUE_FULL');
  for (let count = 0; count < 3; count++) await connect();
  const [first, ...others] = acquiring;
  t.is((await failureOf(pool.acquire())).code, 'QUEUE_FULL', 'three have theirs, one waits for them');
  (await first)?.release();
  for (const each of others) (await each).release();
});

test('with maxWaiting 0 the pool opens up to max, and refuses a caller that would have to queue', async (t) => {
  const fake = fakePool(t, { max: 2, maxWaiting: 0 });
  const { pool } = fake;
  const [first, second] = await lease(fake, 2);
  const error = await failureOf(pool.acquire());
  t.is(error.code, 'QUEUE_FULL');
  t.regex(
    error.message,
    /no more than 0 callers may wait for others .* total 2, idle 0, connecting 0, waiting 0/,
  );
  first?.release();
  (await pool.acquire()).release();
  second?.release();
});

test('the refusal of a second waiting caller speaks of one caller', async (t) => {
  const fake = fakePool(t, { max: 1, maxWaiting: 1 });
  const [held] = await lease(fake, 1);
  const waiting = fake.pool.acquire();
  t.regex((await failureOf(fake.pool.acquire())).message, /no more than 1 caller may wait/);
  held?.release();
  (await waiting).release();
});

test('an idle connection that needs validation or is being validated is free for one caller', async (t) => {
  let answer = (_good: boolean): void => {};
  const fake = fakePool(t, {
    max: 1,
    maxWaiting: 0,
    validateAfterIdleMs: 0,
    validate: () => new Promise((resolve) => (answer = resolve)),
  });
  const [held] = await lease(fake, 1);
  held?.release();
  await fake.pass(1);
  const givenUp = failureOf(fake.pool.acquire({ timeoutMs: 10 }));
  t.is((await failureOf(fake.pool.acquire())).code, 'QUEUE_FULL', 'it is free for one');
  await fake.pass(10);
  t.is((await givenUp).code, 'TIMEOUT');
  const acquiring = fake.pool.acquire();
  answer(true);
  (await acquiring).release();
});

test('under maxTotal only those places count that the target can have', async (t) => {
  const fake = fakePool(t, { max: 3, maxTotal: 3, maxWaiting: 0 });
  const { pool } = fake;
  const [other, another] = await lease(fake, 2, 'other');
  const [held] = await lease(fake, 1);
  t.is((await failureOf(pool.acquire())).code, 'QUEUE_FULL');
  other?.release();
  const acquiring = pool.acquire();
  t.is(pool.stats().closedByReason.evicted, 1, 'an idle one of another target makes room');
  t.is((await failureOf(pool.acquire())).code, 'QUEUE_FULL');
  await fake.connect();
  for (const each of [await acquiring, another, held]) each?.release();
});
