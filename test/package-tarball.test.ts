import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { COMMANDS } from '../src/cli/commands.js';
import { LIBRARY_VERSION } from '../src/version.js';
import { NOT_CLONED, pack } from './helpers/packing.js';
import { scaled } from './helpers/patience.js';
import test from './helpers/sanitary.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIMIT_MS = scaled(50_000);
const MOST_UNPACKED_BYTES = 1_900_000;

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

/** The files of the package that a program loads with one of them, itself included. */
function filesLoadedBy(path: string, loaded = new Set<string>()): string[] {
  if (loaded.has(path)) return [];
  loaded.add(path);
  const imports = readFileSync(path, 'utf8').matchAll(/^(?:import|export)\b[^'"();]*['"](\.[^'"]+)['"];$/gm);
  for (const [, name = ''] of imports) filesLoadedBy(join(dirname(path), name), loaded);
  return [...loaded];
}

test('a program that imports the index loads 5 files of the package, one that imports connect 3', async (t) => {
  const { root } = await tarball();
  const namesFor = (entry: string): string[] =>
    filesLoadedBy(join(root, 'dist/src', entry))
      .map((path) => relative(join(root, 'dist/src'), path))
      .toSorted();
  t.deepEqual(namesFor('connect.js'), ['connect.js', join('joined', 'connect.js'), 'package-files.js']);
  t.deepEqual(namesFor('index.js'), [
    'connect.js',
    'index.js',
    join('joined', 'connect.js'),
    join('joined', 'pool.js'),
    'package-files.js',
  ]);
});

test('the packed command line runs, and each of its commands loads', async (t) => {
  t.timeout(4 * LIMIT_MS);
  const { root } = await tarball();
  const call = (...words: string[]) =>
    execute(process.execPath, [join(root, 'dist/src/cli/main.js'), ...words], { timeout: LIMIT_MS });
  t.deepEqual(await call('--version'), { stdout: `${LIBRARY_VERSION}\n`, stderr: '' });
  for (const { name } of COMMANDS) {
    const { stdout } = await call(...name.split(' '), '--help');
    t.true(stdout.startsWith(`broker-pool ${name}`), name);
  }
  t.true((await call('completion', 'bash')).stdout.includes('complete '));
  const examined: unknown = await call('doctor', '--broker', '/nonexistent/broker.sock', '--json').catch(
    (error: unknown) => error,
  );
  t.like(examined, { code: 1, stderr: '' });
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

/** Where a Markdown text links to within the package, without anchors. */
function linksIn(markdown: string): string[] {
  return [...markdown.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, path]) => path ?? '');
}

test('every link in a document of the package leads to a file of the package', async (t) => {
  const { paths, root } = await tarball();
  const documents = paths.filter((path) => path.endsWith('.md'));
  t.true(documents.includes('README.md'));
  const broken = documents.flatMap((document) =>
    linksIn(readFileSync(join(root, document), 'utf8'))
      .map((link) => posix.join(posix.dirname(document), link))
      .filter(
        (path) =>
          !paths.some((file) => file === path || file.startsWith(path.endsWith('/') ? path : `${path}/`)),
      )
      .map((path) => `${document} → ${path}`),
  );
  t.deepEqual(broken, []);
});

test('the package contains no script but those of dist/src and dist/workers', async (t) => {
  const { paths } = await tarball();
  t.deepEqual(
    paths.filter((path) => /\.[cm]?js$/.test(path) && !/^dist\/(?:src|workers)\//.test(path)),
    [],
  );
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
