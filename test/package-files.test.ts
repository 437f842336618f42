import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { packageFile, requirePackage } from '../src/package-files.js';
import { scaled } from './helpers/patience.js';
import test, { temporaryDirectory } from './helpers/sanitary.js';

const MODULE = fileURLToPath(new URL('../src/package-files.js', import.meta.url));
const WORKER = join(dirname(MODULE), '../workers/negotiator.js');
const LIMIT_MS = scaled(40_000);

/** The output of a program that imports a copy of the module by `node --eval`. */
async function seenFrom(module: string): Promise<string> {
  const code = `import(${JSON.stringify(pathToFileURL(module))}).then(({ packageFile }) => console.log(packageFile('workers/negotiator.js')))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', code], { timeout: LIMIT_MS });
  return stdout.trimEnd();
}

test('a file of the package is found, and one that does not exist is not', (t) => {
  t.is(packageFile('workers/negotiator.js'), WORKER);
  t.is(packageFile('workers/nowhere.js'), undefined);
});

test('packages are required as this package sees them', (t) => {
  const { Piscina }: typeof import('piscina') = requirePackage('piscina');
  t.is(typeof Piscina, 'function');
});

test('a file of the package is found from node --eval, which has a global __filename', async (t) => {
  t.is(await seenFrom(MODULE), WORKER);
});

test('from a file of another name, as a bundle is, no file of the package is found', async (t) => {
  const bundle = join(temporaryDirectory(t), 'bundle.mjs');
  copyFileSync(MODULE, bundle);
  t.is(await seenFrom(bundle), 'undefined');
});
