import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIn, loadBuild, THIS_BUILD } from '../../bench/peers/build.js';
import { BrokerPool } from '../../src/index.js';
import test from '../helpers/sanitary.js';

test('the pool of this build is the one that the package exports', async (t) => {
  t.is((await loadBuild(THIS_BUILD)).BrokerPool, BrokerPool);
});

test('the build of another checkout is found by its folder, and not confused with this one', async (t) => {
  const checkout = mkdtempSync(join(tmpdir(), 'a checkout '));
  t.teardown(() => rmSync(checkout, { recursive: true }));
  mkdirSync(join(checkout, 'dist/src'), { recursive: true });
  writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
  writeFileSync(join(checkout, 'dist/src/index.js'), 'export class BrokerPool {}');
  const { BrokerPool: Other } = await loadBuild(buildIn(checkout));
  t.is(Other.name, 'BrokerPool');
  t.not(Other, BrokerPool);
});

test('a checkout that is not built is refused with what is missing', (t) => {
  t.throws(() => buildIn('/nowhere'), { message: /--against.*\/nowhere\/dist\/src\/index\.js/ });
});
