import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadKoffi, loadLibrary } from '../../src/os/load-koffi.js';
import { loadNative } from '../../src/os/native.js';
import { requirePackage } from '../../src/package-files.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const packages = (): string => dirname(dirname(requirePackage.resolve('koffi')));
const isOrdinary =
  process.platform === 'linux' &&
  ['x64', 'arm64'].includes(process.arch) &&
  // The tests for arm64 under qemu have the library elsewhere.
  existsSync(join(packages(), `@koromix/koffi-linux-${process.arch}`)) &&
  !existsSync('/lib/ld-musl-x86_64.so.1') &&
  !existsSync('/lib/ld-musl-aarch64.so.1') &&
  loadNative() !== undefined;
const ordinary = testWhere(isOrdinary, 'Linux with glibc, and the C library beside koffi');

ordinary('the library of koffi is found where koffi keeps it, and is the one that its scripts load', (t) => {
  const library: unknown = loadLibrary();
  t.truthy(library);
  t.is<unknown, unknown>(loadKoffi(), library);
  const koffi: { readonly default: unknown } = requirePackage('koffi');
  t.is(koffi.default, library);
});

ordinary('a library of another version than the scripts is left to the scripts', (t) => {
  const folder = temporaryDirectory(t);
  symlinkSync(join(packages(), '@koromix'), join(folder, '@koromix'));
  const koffi = join(folder, 'koffi');
  mkdirSync(koffi);
  writeFileSync(join(koffi, 'package.json'), JSON.stringify({ version: '0.0.1' }));
  t.is(loadLibrary(koffi), undefined);
});

test('a library that lies elsewhere is left to the scripts', (t) => {
  t.is(loadLibrary(temporaryDirectory(t)), undefined);
});
