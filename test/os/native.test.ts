import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hasFreeDescriptors, loadNative } from '../../src/os/native.js';
import { Leftovers } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const nativeTest = testWhere(loadNative() !== undefined, 'the C library');

nativeTest('a shortage of descriptors does not keep the C library away for good', async (t) => {
  const program = fileURLToPath(new URL('native-shortage.js', import.meta.url));
  const command = `ulimit -n 64 && exec '${process.execPath}' '${program}'`;
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], { timeout: scaled(30_000) });
  t.is(stdout, 'false true');
});

test('hasFreeDescriptors keeps no descriptor', (t) => {
  const before = new Leftovers();
  t.true(hasFreeDescriptors(8));
  t.deepEqual(
    before.list().filter((line) => line.startsWith('descriptor')),
    [],
  );
});
