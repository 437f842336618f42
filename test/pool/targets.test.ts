import { BrokerPool } from '../../src/index.js';
import { Targets } from '../../src/pool/targets.js';
import { poolEnvironment, TARGET } from '../helpers/pool-environment.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';

test('unused targets are dropped when they become many, and still count', async (t) => {
  const system = await startSystem(t);
  const pool = new BrokerPool(system.target);
  t.teardown(() => pool.destroy());
  const kept = await pool.acquire();
  const versions = Array.from({ length: 300 }, (_, patch) => `2.0.${patch}`);
  const counts: number[] = [];
  for (const wantedVersion of versions) {
    await t.throwsAsync(pool.acquire({ serviceName: 'unknown', wantedVersion }), { code: 'REFUSED' });
    counts.push(pool.stats().targets.length);
  }
  t.deepEqual([counts[126], counts[127]], [128, 2], 'the one in use, and the one that has just come');
  const stats = pool.stats();
  t.true(Math.max(...counts) <= 128);
  t.is(stats.connectFailures, 300);
  t.is(stats.leased, 1, 'one that is in use is never dropped');
  kept.release();
  t.like(pool.stats(), { total: 1, idle: 1 });
});

test('asking after a target, or clearing it, does not make one', async (t) => {
  const system = await startSystem(t);
  const pool = new BrokerPool({ ...system.target, min: 1 });
  t.teardown(() => pool.destroy());
  t.is(pool.tryAcquire({ wantedVersion: '9.9.9' }), undefined);
  pool.clear({ wantedVersion: '9.9.9' });
  await pool.warm();
  t.is(pool.stats().targets.length, 1);
  t.is(system.broker.helloCount, 1);
});

test('the target of calls that name none is kept while it is unused, and goes on counting', async (t) => {
  const system = await startSystem(t);
  const pool = new BrokerPool(system.target);
  t.teardown(() => pool.destroy());
  (await pool.acquire()).destroy();
  for (let patch = 0; patch < 300; patch += 1) {
    const other = { serviceName: 'unknown', wantedVersion: `2.0.${patch}` };
    await t.throwsAsync(pool.acquire(other), { code: 'REFUSED' });
  }
  (await pool.acquire()).release();
  t.like(pool.stats(), { idle: 1, created: 2 });
  t.true(pool.stats().targets.some(({ serviceName }) => serviceName === system.target.serviceName));
});

test("a call's target is the pool's where it names none, part by part", (t) => {
  const targets = new Targets(poolEnvironment());
  t.deepEqual(targets.obtain({}).target, TARGET);
  t.deepEqual(targets.obtain({ serviceName: 'mine' }).target, { ...TARGET, serviceName: 'mine' });
  t.deepEqual(targets.obtain({ wantedVersion: '2.0.0' }).target, { ...TARGET, wantedVersion: '2.0.0' });
});

test('a target that neither the pool nor the call names is reported by the missing part', (t) => {
  for (const missing of ['serviceName', 'wantedVersion']) {
    const targets = new Targets(poolEnvironment({ [missing]: undefined }));
    const message = new RegExp(`^${missing} is missing`);
    t.throws(() => targets.obtain({}), { code: 'INVALID_ARGUMENT', message });
  }
});
