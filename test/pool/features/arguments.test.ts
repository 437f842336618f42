/** Methods of a pool refuse wrong arguments of JavaScript callers, and change nothing. */
import { BrokerPoolError } from '../../../src/index.js';
import { fakePool } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

/** Calls a method as JavaScript may. */
function call(object: object, method: string, ...values: unknown[]): unknown {
  const found: unknown = Reflect.get(object, method);
  if (typeof found !== 'function') throw new Error(`no method ${method}`);
  return Reflect.apply(found, object, values);
}

/** The error with which such a call rejects. */
async function rejection(object: object, method: string, value: unknown): Promise<BrokerPoolError> {
  return await failureOf(Promise.resolve(call(object, method, value)));
}

for (const target of [
  { servicename: 'other' },
  { service: 'other' },
  'demo',
  null,
  [],
  { signal: undefined },
]) {
  test(`tryAcquire and clear refuse ${JSON.stringify(target)}, and leave the idle connection`, async (t) => {
    const { pool, connect } = fakePool(t);
    const acquiring = pool.acquire();
    await connect();
    (await acquiring).release();
    for (const method of ['tryAcquire', 'clear']) {
      t.throws(() => call(pool, method, target), { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT' });
    }
    t.is(pool.stats().idle, 1);
  });
}

test('tryAcquire suggests the right name for a misspelt one', (t) => {
  const { pool } = fakePool(t);
  t.throws(() => call(pool, 'tryAcquire', { servicename: 'other' }), {
    message: /did you mean serviceName\?/,
  });
});

for (const reason of [new Error('boom'), 'idle', null, 1]) {
  test(`lease.destroy refuses the reason ${String(reason)}, and the lease stays usable`, async (t) => {
    const { pool, connect } = fakePool(t);
    const acquiring = pool.acquire();
    await connect();
    const lease = await acquiring;
    t.throws(() => call(lease, 'destroy', reason), {
      code: 'INVALID_ARGUMENT',
      message: /destroyed, error, invalid/,
    });
    t.is(pool.stats().leased, 1);
    lease.release();
    t.is(pool.stats().idle, 1);
  });
}

test('destroy refuses a cause that is not an Error, and the pool stays open', async (t) => {
  const { pool } = fakePool(t);
  for (const cause of ['x', 5, [], null])
    t.is((await rejection(pool, 'destroy', cause)).code, 'INVALID_ARGUMENT');
  t.is(pool.tryAcquire(), undefined);
});

test('a second close checks its options too', async (t) => {
  const { pool } = fakePool(t);
  const closing = pool.close();
  t.is((await rejection(pool, 'close', { timeoutMs: 'x' })).code, 'INVALID_ARGUMENT');
  await closing;
});

for (const work of [undefined, null, 'work', {}]) {
  test(`use refuses ${JSON.stringify(work)} for its work, and opens no connection`, async (t) => {
    const { pool, driver } = fakePool(t);
    const error = await rejection(pool, 'use', work);
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, /^work must be a function/);
    t.is(driver.pending.size, 0);
    t.is(pool.stats().connecting, 0);
  });
}

test.serial('a listener for an unknown event causes a warning that suggests the right name', async (t) => {
  const { pool } = fakePool(t);
  const warnings: string[] = [];
  const own = Object.getOwnPropertyDescriptor(process, 'emitWarning') ?? {};
  t.teardown(() => Object.defineProperty(process, 'emitWarning', own));
  Object.defineProperty(process, 'emitWarning', {
    ...own,
    value: (warning: unknown) => warnings.push(String(warning)),
  });
  call(pool, 'on', 'aquired', () => {});
  t.deepEqual(warnings, ['a pool has no event "aquired"; did you mean acquired?']);
  for (const known of ['acquired', 'error', 'newListener', Symbol('own')]) call(pool, 'on', known, () => {});
  t.is(warnings.length, 1);
});
