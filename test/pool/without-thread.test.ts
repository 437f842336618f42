/**
 * Pools where something keeps the wait thread or the C library away: the event loop does the same work, with
 * one warning.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { loadNative } from '../../src/os/native.js';
import { scaled } from '../helpers/patience.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import type { WithoutThreadReport } from './without-thread.js';

const PROGRAM = fileURLToPath(new URL('without-thread.js', import.meta.url));
const [major = 0] = process.versions.node.split('.').map(Number);
const PERMISSION_FLAGS = [
  major < 23 ? '--experimental-permission' : '--permission',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  ...(major < 25 ? [] : ['--allow-net']),
];

interface Start {
  readonly flags?: readonly string[];
  /** Code that is loaded into each thread first. */
  readonly preload?: string;
  readonly late?: boolean;
}

async function use(
  t: ExecutionContext,
  { flags = [], preload, late = false }: Start,
): Promise<WithoutThreadReport> {
  const { target, broker } = await startSystem(t, { backend: { handoff: 'accept' } });
  const directory = temporaryDirectory(t);
  const preloadFlags = preload === undefined ? [] : ['--require', `${directory}/preload.cjs`];
  if (preload !== undefined) writeFileSync(`${directory}/preload.cjs`, preload);
  const program = [PROGRAM, JSON.stringify(target), ...(late ? ['late'] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, ...preloadFlags, ...program], {
    timeout: scaled(60_000),
  });
  t.is(broker.earlyHangUps, 0);
  const report: WithoutThreadReport = JSON.parse(stdout);
  return report;
}

const inThreads = (code: string): string => `if (!require('node:worker_threads').isMainThread) { ${code} }`;

const WITHOUT_THREAD: ReadonlyMap<string, Start> = new Map<string, Start>([
  ['a preload that ends each thread', { preload: inThreads('process.exit(3);') }],
  [
    'a preload that throws in each thread',
    { preload: inThreads("throw new Error('as a preload may fail');") },
  ],
  [
    'a preload that never ends in a thread',
    { preload: inThreads('for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);') },
  ],
  ['no memory that threads share', { preload: 'delete globalThis.SharedArrayBuffer;' }],
  [
    'no thread that can be created',
    {
      preload:
        "require('node:worker_threads').Worker = class { constructor() { throw new Error('EAGAIN'); } };",
    },
  ],
  ['the C library switched off when it is loaded already', { late: true }],
  ['no permission for threads', { flags: [...PERMISSION_FLAGS, '--allow-addons'] }],
]);

const nativeTest = testWhere(loadNative() !== undefined, 'the C library', test.serial);

for (const [what, start] of WITHOUT_THREAD) {
  nativeTest(
    `with ${what} a pool adopts connections on the event loop, warns once, and leaves no descriptor`,
    async (t) => {
      t.deepEqual(await use(t, start), {
        routes: ['handle-passed', 'handle-passed', 'handle-passed', 'handle-passed'],
        driver: 'event-loop',
        warnings: ['BROKER_POOL_NO_THREAD'],
        leaked: 0,
      });
    },
  );
}

nativeTest('a pool whose thread starts says so, and warns of nothing', async (t) => {
  t.like(await use(t, {}), { driver: 'worker', warnings: [] });
});

nativeTest('without the C library a pool warns once that peers are not checked', async (t) => {
  const preload =
    "require('node:module')._extensions['.node'] = () => { throw new Error('as a platform without a prebuilt library'); };";
  t.like(await use(t, { preload }), { driver: 'event-loop-without-ffi', warnings: ['BROKER_POOL_NO_FFI'] });
});

nativeTest('without permission for the C library a pool warns once too', async (t) => {
  t.like(await use(t, { flags: [...PERMISSION_FLAGS, '--allow-worker'] }), {
    driver: 'event-loop-without-ffi',
    warnings: ['BROKER_POOL_NO_FFI'],
  });
});

nativeTest('a user who switches the C library off is not warned', async (t) => {
  const preload = "process.env.BROKER_POOL_FFI = '0';";
  t.like(await use(t, { preload }), { driver: 'event-loop-without-ffi', warnings: [] });
});
