import { loadDescriptorCalls } from '../../src/os/descriptors.js';
import { errno } from '../../src/os/errno.js';
import { FAULT_CODES } from '../helpers/faulty-system.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, failureOf, openPool, startSharer } from './kit.js';

testWhere(
  canShare,
  SHARING,
  test.serial,
)(
  "an acquire whose descriptor cannot be duplicated fails with the system's code, and the pool keeps the connection (G-07, G-15)",
  async (t) => {
    const calls = loadDescriptorCalls();
    if (calls === undefined) return t.fail();
    const real = { ...calls };
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const sharer = await startSharer(t, pool);
    for (const code of FAULT_CODES) {
      Object.assign(calls, { duplicate: () => -(errno[code] ?? 0) });
      const error = await failureOf(sharer.call('acquire', 'a'));
      Object.assign(calls, real);
      t.regex(error.message, new RegExp(code));
      t.true(await until(() => pool.stats().idle === 1));
    }
    await sharer.call('acquire', 'a');
    t.is(await sharer.call('echo', 'a', 'at last'), 'at last');
    await sharer.call('release', 'a');
    t.is(pool.stats().created, 1);
  },
);
