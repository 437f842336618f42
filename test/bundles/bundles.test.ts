import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { spawnTestSystem, type SpawnedTestSystem, type TestTarget } from '../../src/testing/index.js';
import { pack } from '../helpers/packing.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url));
const BUNDLE = join(ROOT, 'test/bundles/tools/bundle.js');
const LIMIT_MS = 60_000;

let started: Promise<SpawnedTestSystem> | undefined;
test.after.always(async () => (await started)?.stop());

/** One system for all bundles. */
async function testTarget(): Promise<TestTarget> {
  started ??= spawnTestSystem();
  return (await started).target;
}

/** Links packages of the checkout, whose own dependencies Node finds there. */
function install(folder: string, names: readonly string[]): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  for (const name of names)
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
}

let packed: ReturnType<typeof pack> | undefined;
test.after.always(async () => {
  if (packed !== undefined) rmSync((await packed).folder, { recursive: true });
});

/** The package as it is published and installed. Its dependencies lie beside it. */
async function installPackage(folder: string): Promise<void> {
  const { root } = await (packed ??= pack());
  install(
    folder,
    readdirSync(join(ROOT, 'node_modules')).filter((name) => !name.startsWith('.')),
  );
  const installed = join(folder, 'node_modules/broker-pool');
  mkdirSync(installed, { recursive: true });
  for (const name of ['package.json', 'dist/src', 'dist/workers'])
    cpSync(join(root, name), join(installed, name), { recursive: true });
}

/** Bundles the program on a machine that is gone when it runs. Returns the folder with the bundle. */
async function bundle(t: ExecutionContext, bundler: string, format: string, external: readonly string[]) {
  const machine = mkdtempSync(join(tmpdir(), 'bp-'));
  await installPackage(machine);
  copyFileSync(PROGRAM, join(machine, 'program.mjs'));
  const folder = temporaryDirectory(t);
  const name = format === 'esm' ? 'bundle.mjs' : 'bundle.cjs';
  // Bundlers may use what Node has deprecated.
  const parameters = [
    '--no-deprecation',
    BUNDLE,
    bundler,
    format,
    join(machine, 'program.mjs'),
    join(folder, name),
    ...external,
  ];
  const { stdout, stderr } = await execute(process.execPath, parameters, { cwd: machine, timeout: LIMIT_MS });
  t.deepEqual([stdout, stderr], ['', ''], 'the bundler has nothing to complain about');
  rmSync(machine, { recursive: true });
  return { folder, file: join(folder, name) };
}

async function run(file: string) {
  const { stdout, stderr } = await execute(process.execPath, [file, JSON.stringify(await testTarget())], {
    timeout: LIMIT_MS,
  });
  const results: { routes: string[]; driver: string }[] = JSON.parse(stdout);
  return {
    routes: results.map(({ routes }) => routes.join()),
    drivers: [...new Set(results.map(({ driver }) => driver))],
    stderr,
  };
}

const ALL_ROUTES = ['ping by broker-negotiated', 'ping by hello-skip', 'ping by handle-passed'];

/** One warning of the process, with the hint that Node adds to the first. */
function oneWarning(code: string): RegExp {
  return new RegExp(`^\\(node:\\d+\\) \\[${code}\\] BrokerPoolWarning: [^\\n]+\\n\\(Use [^\\n]+\\n$`);
}

/** Whether koffi is external makes no difference, since no bundler sees it. */
const BUNDLES = [
  ['esbuild', 'esm', []],
  ['esbuild', 'cjs', ['koffi']],
  ['esbuild-minified', 'cjs', []],
  ['rollup', 'esm', ['koffi']],
  ['rollup', 'cjs', []],
  ['webpack', 'esm', []],
  ['webpack', 'cjs', ['koffi']],
  ['ncc', 'esm', []],
] as const;

for (const [bundler, format, external] of BUNDLES) {
  const what = `a program bundled by ${bundler} as ${format}${external.length > 0 ? ', koffi external,' : ''}`;
  test.serial(
    `${what} works by every route on the event loop and ends by itself, with one warning, koffi beside it and without`,
    async (t) => {
      const { folder, file } = await bundle(t, bundler, format, external);
      const without = await run(file);
      t.deepEqual([without.routes, without.drivers], [ALL_ROUTES, ['event-loop-without-ffi']]);
      t.regex(without.stderr, oneWarning('BROKER_POOL_NO_FFI'));
      install(folder, ['koffi']);
      const beside = await run(file);
      t.deepEqual(beside.routes, ALL_ROUTES);
      t.is(beside.drivers.at(-1), 'event-loop');
      t.regex(beside.stderr, oneWarning('BROKER_POOL_NO_THREAD'));
    },
  );
}

for (const format of ['esm', 'cjs']) {
  test.serial(
    `a program bundled as ${format} with the package external has the wait thread, and no warning`,
    async (t) => {
      const { folder, file } = await bundle(t, 'esbuild', format, ['broker-pool']);
      await installPackage(folder);
      t.deepEqual(await run(file), { routes: ALL_ROUTES, drivers: ['worker'], stderr: '' });
    },
  );
}
