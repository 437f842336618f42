/**
 * Part of `npm run prepare`: joins the compiled modules of the package into a few files, so that a program that
 * imports it loads 5 files in place of 130 (docs/decisions/013-joined-modules.md). The entries keep their places.
 * Plain JavaScript: only a checkout with rollup can run it, and every checkout compiles.
 *
 * With `--for-tests`, part of `npm test`: every module keeps its place, for tests import any of them. Modules that the
 * same entries load share a file, so that a program or thread of a test loads no more than it did before. The modules
 * themselves stay in `dist/modules`, for a test that reads them.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DIST = join(ROOT, 'dist');
const JOINED = join(ROOT, 'dist-joined');

/** The module that knows where it lies: it must stay a file of its own, at its place. */
const OWN_PLACE = join(DIST, 'src/package-files.js');

const FOR_TESTS = process.argv.includes('--for-tests');

/** What a program loads together: each module is in the first of these groups whose entry needs it. */
const GROUPS = [
  ['connect', join(DIST, 'src/connect.js')],
  ['pool', join(DIST, 'src/index.js')],
];

/** What the threads of tests import that share a pool. */
const GUEST = join(DIST, 'src/sharing/client/connect-shared-pool.js');

function scriptsIn(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(folder, name));
}

/** Files that are imported or run by their names: those of package.json, and those that the code runs. */
function entries() {
  const { exports, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const imported = Object.values(exports).flatMap((entry) =>
    typeof entry === 'object' ? [entry.default] : [],
  );
  const run = scriptsIn(join(DIST, 'src')).flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/packageFile\('([^']+)'\)/g)].map(
      ([, name = '']) => `dist/${name}`,
    ),
  );
  return [...new Set([...imported, ...Object.values(bin), ...run].map((path) => join(ROOT, path)))];
}

/** The modules that `entry` loads, itself included. */
function loadedBy(entry, info, found = new Set()) {
  if (found.has(entry)) return found;
  found.add(entry);
  for (const imported of info(entry)?.importedIds ?? []) loadedBy(imported, info, found);
  return found;
}

/** Indents the generated code by tabs: the compiler's spaces would be a third of it. It has no text of several lines. */
const generatedByTabs = {
  name: 'tabs',
  transform: (code, id) =>
    id.endsWith('broker-v1.js')
      ? code.replaceAll(/^(?: {4})+/gm, (spaces) => '\t'.repeat(spaces.length / 4))
      : null,
};

/** For a package: the name of the group that a module is in. */
function groupOf(id, loads) {
  return GROUPS[loads.findIndex((modules) => modules.has(id))]?.[0];
}

/** For tests: a name for the entries that load a module. */
function loadersOf(id, loads) {
  const numbers = [...loads.keys()].filter((index) => loads[index].has(id));
  return numbers.length === 0 ? undefined : `of-${numbers.join('-')}`;
}

const modules = ['src', 'workers'].flatMap((folder) => scriptsIn(join(DIST, folder)));
const inputs = FOR_TESTS ? modules : [...entries(), OWN_PLACE];
const loaders = FOR_TESTS ? [...entries(), GUEST] : GROUPS.map(([, entry]) => entry);
/** The modules that each of them loads. */
let loads;

const bundle = await rollup({
  input: Object.fromEntries(
    inputs.map((path) => [relative(DIST, path).replaceAll('\\', '/').slice(0, -3), path]),
  ),
  // Packages are not joined: npm installs them, and may replace them.
  external: (name) => !/^[./]|^[A-Z]:/i.test(name),
  // What is published is what the tests have run, to the last function.
  treeshake: false,
  plugins: [generatedByTabs],
  preserveEntrySignatures: 'strict',
  onwarn: (warning) => {
    // The compiler's helpers ask for a `this` that modules do not have.
    if (warning.code !== 'THIS_IS_UNDEFINED') throw new Error(warning.message);
  },
});
await bundle.write({
  dir: JOINED,
  format: 'es',
  entryFileNames: '[name].js',
  chunkFileNames: 'src/joined/[name].js',
  minifyInternalExports: false,
  hoistTransitiveImports: false,
  onlyExplicitManualChunks: true,
  manualChunks: (id, { getModuleInfo }) => {
    loads ??= loaders.map((entry) => loadedBy(entry, getModuleInfo));
    if (FOR_TESTS) return id === OWN_PLACE ? undefined : loadersOf(id, loads);
    return inputs.includes(id) ? undefined : groupOf(id, loads);
  },
});
await bundle.close();

function move(path, place) {
  mkdirSync(dirname(place), { recursive: true });
  renameSync(path, place);
}

for (const path of modules)
  if (FOR_TESTS) move(path, join(DIST, 'modules', relative(DIST, path)));
  else rmSync(path);
for (const path of scriptsIn(JOINED)) move(path, join(DIST, relative(JOINED, path)));
rmSync(JOINED, { recursive: true });
