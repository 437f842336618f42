import { randomBytes } from 'node:crypto';
import { blake3 as libraryBlake3 } from '@noble/hashes/blake3.js';
import { blake3 } from '../../src/client/blake3.js';
import test from '../helpers/sanitary.js';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

test('blake3 computes the published hashes of nothing and of "abc"', (t) => {
  t.is(hex(blake3(new Uint8Array(0))), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
  t.is(hex(blake3(Buffer.from('abc'))), '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85');
});

test('blake3 agrees with a library at every length up to two blocks, and around each block, chunk and tree', (t) => {
  const lengths = new Set(Array.from({ length: 130 }, (_, length) => length));
  for (const edge of [192, 960, 1024, 1088, 2048, 3072, 4096, 5120, 7168, 8192, 9216])
    for (const offset of [-1, 0, 1]) lengths.add(edge + offset);
  for (const length of lengths) {
    const bytes = randomBytes(length);
    t.is(hex(blake3(bytes)), hex(libraryBlake3(bytes)), `${length} bytes: ${hex(bytes)}`);
  }
});
