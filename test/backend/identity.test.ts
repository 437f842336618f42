import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blake3 } from '@noble/hashes/blake3.js';
import * as fc from 'fast-check';
import test from '../helpers/sanitary.js';
import { createBlake3 } from '../../src/identity/blake3/blake3.js';
import { hashFile } from '../../src/identity/file-hash.js';
import { executableHash, storeHashBeside } from '../../src/identity/hash-cache.js';
import { directory } from './kit.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = randomBytes(300_000);

/** Hashes bytes that are pushed in pieces of these lengths, over and over. */
function hashInPieces(input: Uint8Array, lengths: readonly number[]): string {
  const hash = createBlake3();
  if (hash === undefined) throw new Error('no WebAssembly');
  let at = 0;
  for (let index = 0; at < input.length; index++) {
    const piece = input.subarray(at, at + lengths[index % lengths.length]!);
    hash.room.set(piece);
    hash.push(piece.length);
    at += piece.length;
  }
  return hex(hash.digest());
}

for (const length of [
  0, 1, 64, 65, 1_023, 1_024, 1_025, 4_095, 4_096, 4_097, 8_192, 8_193, 65_536, 262_144,
]) {
  test(`the hash of ${length} bytes is BLAKE3`, (t) => {
    const input = bytes.subarray(0, length);
    t.is(hashInPieces(input, [length + 1]), hex(blake3(input)));
  });
}

test('the hash does not depend on the pieces of the input', (t) => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.nat(bytes.length), lengths, (length, pieces) => {
      const input = bytes.subarray(0, length);
      t.is(hashInPieces(input, pieces), hex(blake3(input)));
    }),
    { numRuns: 60 },
  );
});

test('a file is hashed in pieces of 1 MiB', async (t) => {
  const file = join(directory(t), 'file');
  const content = Buffer.concat(Array.from({ length: 9 }, () => bytes));
  writeFileSync(file, content);
  t.is(hex(await hashFile(file)), hex(blake3(content)));
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
