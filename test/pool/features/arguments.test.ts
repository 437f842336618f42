/** What JavaScript callers may pass to the methods of a pool is refused at the door, and changes nothing. */
import { BrokerPoolError, type Lease, type TargetOptions } from '../../../src/index.js';
import { fakePool } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

/** Stands for whatever type the callee declares. */
function wrong<T>(value: unknown): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the point of these tests
  return value as T;
}

for (const target of [{ servicename: 'other' }, { service: 'other' }, 'demo', null, [], { signal: undefined }]) {
  test(`tryAcquire and clear refuse ${JSON.stringify(target)}, and mean no other target instead`, async (t) => {
    const { pool, connect } = fakePool(t);
    const acquiring = pool.acquire();
    await connect();
    (await acquiring).release();
    for (const call of [() => pool.tryAcquire(wrong<TargetOptions>(target)), () => pool.clear(wrong<TargetOptions>(target))]) {
      t.throws(call, { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT' });
    }
    t.is(pool.stats().idle, 1);
  });
}

test('a misspelt name is answered with the right one', (t) => {
  const { pool } = fakePool(t);
  t.throws(() => pool.tryAcquire(wrong<TargetOptions>({ servicename: 'other' })), { message: /did you mean serviceName\?/ });
});

for (const reason of [new Error('boom'), 'idle', null, 1]) {
  test(`lease.destroy refuses ${String(reason)}: reasons are a closed list, and the lease is still good`, async (t) => {
    const { pool, connect } = fakePool(t);
    const acquiring = pool.acquire();
    await connect();
    const lease = await acquiring;
    t.throws(() => lease.destroy(wrong<Parameters<Lease['destroy']>[0]>(reason)), { code: 'INVALID_ARGUMENT', message: /destroyed, error, invalid/ });
    t.is(pool.stats().leased, 1);
    lease.release();
    t.is(pool.stats().idle, 1);
  });
}

test('destroy takes an Error as the cause and nothing else; the pool stays open', async (t) => {
  const { pool } = fakePool(t);
  for (const cause of ['x', 5, [], null]) t.is((await failureOf(pool.destroy(wrong<Error>(cause)))).code, 'INVALID_ARGUMENT');
  t.is(pool.tryAcquire(), undefined);
});

test('each close is checked, not only the first', async (t) => {
  const { pool } = fakePool(t);
  const closing = pool.close();
  t.is((await failureOf(pool.close({ timeoutMs: wrong<number>('x') }))).code, 'INVALID_ARGUMENT');
  await closing;
});
