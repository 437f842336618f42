import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BrokerPool, Lease, LeakSuspectedEvent } from '../../../src/index.js';
import { scaled } from '../../helpers/patience.js';
import { openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { onWine, testWhere } from '../../helpers/test-where.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const LIMIT_MS = scaled(40_000);

/** Every way to a lease, by a caller of a known name. */
const WAYS: Readonly<
  Record<string, (pool: BrokerPool, work: (lease: Lease) => Promise<void>) => Promise<void>>
> = {
  acquire: async function caller(pool, work) {
    await work(await pool.acquire());
  },
  tryAcquire: async function caller(pool, work) {
    (await pool.acquire()).release();
    const lease = pool.tryAcquire();
    if (lease !== undefined) await work(lease);
  },
  use: async function caller(pool, work) {
    await pool.use(work);
  },
};

for (const [name, way] of Object.entries(WAYS)) {
  test(`the stack of a leak report begins with the caller of ${name}`, async (t) => {
    const pool = openPool(t, (await startSystem(t)).target, { leakThresholdMs: 20 });
    await way(pool, async (lease) => {
      const { stack } = await new Promise<LeakSuspectedEvent>((resolve) =>
        pool.once('leakSuspected', resolve),
      );
      t.regex(stack, /^ {4}at (?:async )?(?:\w+\.)?caller \(/);
      if (name !== 'use') lease.release();
    });
  });
}

const PROGRAM = `
  import { BrokerPool } from 'broker-pool';
  import { startTestSystem } from 'broker-pool/testing';
  const system = await startTestSystem();
  const pool = new BrokerPool({ ...system.target, leakThresholdMs: 20 });
  const reported = new Promise((resolve) => pool.once('leakSuspected', resolve));
  async function caller() { return await pool.acquire(); }
  const lease = await caller();
  console.log((await reported).stack);
  lease.release();
  await pool.close();
  await system.stop();
`;

testWhere(!onWine, 'links to folders, which Wine does not have')(
  'the stack of a leak report begins with the caller, with source maps in a folder whose name has a space too',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'broker pool '));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const packageFolder = join(folder, 'node_modules/broker-pool');
    mkdirSync(packageFolder, { recursive: true });
    for (const name of ['package.json', 'dist/src', 'dist/workers'])
      cpSync(join(ROOT, name), join(packageFolder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(packageFolder, 'node_modules'), 'junction');
    writeFileSync(join(folder, 'program.mjs'), PROGRAM);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--enable-source-maps', join(folder, 'program.mjs')],
      { timeout: LIMIT_MS },
    );
    t.regex(stdout, /^ {4}at caller \(/);
  },
);
