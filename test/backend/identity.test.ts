import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blake3 } from '@noble/hashes/blake3.js';
import test from '../helpers/sanitary.js';
import { hashFile } from '../../src/identity/file-hash.js';
import { executableHash, storeHashBeside } from '../../src/identity/hash-cache.js';
import { directory } from './kit.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = randomBytes(1_100_000);

for (const length of [0, 1, 1_024, 1_025, 524_288, 524_289, 1_100_000]) {
  test(`the hash of a file of ${length} bytes is BLAKE3, on a thread and without one`, async (t) => {
    const file = join(directory(t), 'file');
    const content = bytes.subarray(0, length);
    writeFileSync(file, content);
    const expected = hex(blake3(content));
    t.is(hex(await hashFile(file)), expected);
    t.is(hex(await hashFile(file, '')), expected);
  });
}

for (const [what, code] of [
  ['throws', 'throw new Error()'],
  ['ends without an answer', ''],
  ['does not exist', undefined],
] as const)
  test(`a thread that ${what} leaves the hash to this one`, async (t) => {
    const folder = directory(t);
    const worker = join(folder, 'worker.mjs');
    if (code !== undefined) writeFileSync(worker, code);
    writeFileSync(join(folder, 'file'), 'content');
    t.is(hex(await hashFile(join(folder, 'file'), worker)), hex(blake3(Buffer.from('content'))));
  });

test('a file that cannot be read rejects with the error of the system', async (t) => {
  const missing = join(directory(t), 'missing');
  await t.throwsAsync(hashFile(missing), { code: 'ENOENT' });
});

test('JavaScript computes the hash without WebAssembly', (t) => {
  const file = join(directory(t), 'file');
  writeFileSync(file, bytes);
  const code = `import(process.argv[1]).then(async ({ hashHere }) => console.log(Buffer.from(await hashHere(process.argv[2])).toString('hex')))`;
  const module = new URL('../../src/identity/blake3.js', import.meta.url).href;
  const output = execFileSync(process.execPath, ['--jitless', '--eval', code, module, file]);
  t.is(output.toString().trim(), hex(blake3(bytes)));
});

test.serial('the hash of an executable is computed once for each build (P-27)', async (t) => {
  const folder = directory(t);
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  t.teardown(() => delete process.env['XDG_CACHE_HOME']);
  const file = join(folder, 'program');
  writeFileSync(file, 'one build');
  t.is(hex(await executableHash(file)), hex(blake3(Buffer.from('one build'))));
  const [kept = ''] = readdirSync(join(folder, 'cache/broker-pool'));
  const content: object = JSON.parse(readFileSync(join(folder, 'cache/broker-pool', kept), 'utf8'));
  t.like(content, { path: file, bytes: 9, blake3: hex(blake3(Buffer.from('one build'))) });
  // A file beside it that claims another hash shows which one is used.
  writeFileSync(`${file}.blake3.json`, JSON.stringify({ ...content, blake3: 'ab'.repeat(32) }));
  t.is(hex(await executableHash(file)), hex(blake3(Buffer.from('one build'))), 'known to the process');
  writeFileSync(file, 'another');
  t.is(
    hex(await executableHash(file)),
    hex(blake3(Buffer.from('another'))),
    'the kept one is of another build',
  );
  utimesSync(file, 1_000, 1_000);
  await storeHashBeside(file);
  t.is(hex(await executableHash(file)), hex(blake3(Buffer.from('another'))));
});

test.serial('a broken cache file, and a directory that cannot be written, cost time only', async (t) => {
  const folder = directory(t);
  process.env['XDG_CACHE_HOME'] = join(folder, 'file/cache');
  t.teardown(() => delete process.env['XDG_CACHE_HOME']);
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'bin'));
  const file = join(folder, 'bin/program');
  writeFileSync(file, 'build');
  for (const broken of ['', '{', 'null', '{"blake3":"xyz"}']) {
    writeFileSync(`${file}.blake3.json`, broken);
    utimesSync(file, 1_000, broken.length);
    t.is(hex(await executableHash(file)), hex(blake3(Buffer.from('build'))));
  }
});

test('the hash of an executable that is gone rejects with the error of the system', async (t) => {
  const hash = executableHash('/nowhere/program');
  await t.throwsAsync(hash, { code: 'ENOENT' });
});
