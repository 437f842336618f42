import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LIBRARY_VERSION } from '../src/version.js';
import { scaled } from './helpers/patience.js';
import test from './helpers/sanitary.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIMIT_MS = scaled(50_000);
const MOST_UNPACKED_BYTES = 1_800_000;

/** Folders that a clone does not have, and those that others have put into a checkout. */
const NOT_CLONED = /(?:^|[\\/])(?:node_modules|dist(?:-[^\\/]*)?|coverage|target|results|\.git|Cargo\.lock)$/;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/**
 * The settings of the clone alone count: those of the user, and of an npm that runs these tests, may switch
 * scripts off.
 */
function npmEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name));
  return {
    ...Object.fromEntries(own),
    npm_config_userconfig: join(ROOT, 'no-npmrc'),
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
}

/**
 * Packs a copy of the sources without `dist`, with `npm pack` as a user runs it in a clone after `npm ci`.
 */
async function pack() {
  const folder = mkdtempSync(join(tmpdir(), 'bp-'));
  const clone = join(folder, 'clone');
  cpSync(ROOT, clone, {
    recursive: true,
    filter: (path) => !NOT_CLONED.test(path.replace(/[\\/]$/, '')) || path === ROOT,
  });
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'), 'junction');
  const options = {
    cwd: clone,
    env: npmEnvironment(),
    timeout: LIMIT_MS,
    shell: process.platform === 'win32',
  };
  const { stdout } = await execute('npm', ['pack', '--json'], options);
  const [packed]: Packed[] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
  if (packed === undefined) throw new Error('npm pack packed nothing');
  await execute('tar', ['-xf', packed.filename], { cwd: clone });
  const root = join(clone, 'package');
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'junction');
  return { folder, root, packed, paths: packed.files.map(({ path }) => path) };
}

let made: ReturnType<typeof pack> | undefined;

/** Made once for all tests of this file. */
function tarball(): ReturnType<typeof pack> {
  return (made ??= pack());
}

test.after.always(async () => {
  if (made !== undefined) rmSync((await made).folder, { recursive: true });
});

test('npm pack in a clone without dist packs every file that package.json names, built', async (t) => {
  const { paths, root } = await tarball();
  const { exports, bin }: { exports: object; bin: object } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const named = [...JSON.stringify([exports, bin]).matchAll(/"\.\/([^"]+)"/g)]
    .map(([, path = '']) => path)
    .filter((path) => path.includes('.'));
  t.true(named.length > 3);
  t.deepEqual(
    named.filter((path) => !paths.includes(path)),
    [],
  );
  t.true(paths.includes('dist/workers/negotiator.js'));
  t.true(paths.includes('dist/workers/file-hasher.js'));
});

test('a strict project compiles against the packed declarations, which compile themselves', async (t) => {
  t.timeout(2 * LIMIT_MS);
  const { root } = await tarball();
  cpSync(join(ROOT, 'test/types/consumer'), join(root, 'consumer'), { recursive: true });
  const { exports }: { exports: object } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'));
  writeFileSync(
    join(root, 'consumer/entries.ts'),
    entries.map((entry, index) => `export * as e${index} from 'broker-pool${entry.slice(1)}';\n`).join(''),
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await t.notThrowsAsync(
    execute(process.execPath, [tsc, '-p', join(root, 'consumer')], { timeout: LIMIT_MS }),
  );
});

test('the packed command line runs', async (t) => {
  const { root } = await tarball();
  const { stdout, stderr } = await execute(
    process.execPath,
    [join(root, 'dist/src/cli/main.js'), '--version'],
    { timeout: LIMIT_MS },
  );
  t.deepEqual([stdout, stderr], [`${LIBRARY_VERSION}\n`, '']);
});

test('the package contains no source map, and no comment that names one', async (t) => {
  const { paths, root } = await tarball();
  t.deepEqual(
    paths.filter((path) => path.endsWith('.map')),
    [],
  );
  const scripts = paths.filter((path) => path.endsWith('.js'));
  t.deepEqual(
    scripts.filter((path) => readFileSync(join(root, path), 'utf8').includes('sourceMappingURL')),
    [],
  );
});

test(`the package is at most ${MOST_UNPACKED_BYTES / 1_000_000} MB long, unpacked`, async (t) => {
  const { packed } = await tarball();
  t.true(packed.unpackedSize < MOST_UNPACKED_BYTES, `${packed.unpackedSize} bytes`);
});

test('docs/pictures.md shows every picture in docs, and no other', (t) => {
  const shown = [...readFileSync(`${ROOT}docs/pictures.md`, 'utf8').matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(
    ([, path = '']) => path,
  );
  t.deepEqual(
    shown.toSorted(),
    readdirSync(`${ROOT}docs`)
      .filter((name) => name.endsWith('.svg'))
      .toSorted(),
  );
});

test('the pictures in the package are those that its documents show', async (t) => {
  const { paths, root } = await tarball();
  const shown = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(
        ([, picture = '']) => posix.join(posix.dirname(path), picture),
      ),
    );
  t.deepEqual(
    shown.toSorted(),
    paths.filter((path) => /\.(?:svg|png)$/.test(path)),
  );
});

/** Hosts that serve packages, in parts, or this file would name them. */
const REGISTRY_HOSTS = [
  ['npmjs', 'org'],
  ['npmjs', 'com'],
  ['yarnpkg', 'com'],
  ['crates', 'io'],
  ['pypi', 'org'],
  ['jsr', 'io'],
].map((parts) => parts.join('.'));

test('no file of the repository names the host of a package registry', (t) => {
  const naming: string[] = [];
  for (const name of filesBelow(ROOT)) {
    const text = readFileSync(name, 'utf8').toLowerCase();
    if (REGISTRY_HOSTS.some((host) => text.includes(host))) naming.push(name);
  }
  t.deepEqual(naming, []);
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (NOT_CLONED.test(path) || entry.isSymbolicLink()) return [];
    return entry.isDirectory() ? filesBelow(path) : [path].filter((file) => existsSync(file));
  });
}
