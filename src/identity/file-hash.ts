import { open, type FileHandle } from 'node:fs/promises';
import { blake3 } from '@noble/hashes/blake3.js';
import { createBlake3, MOST_INPUT_BYTES, type Blake3 } from './blake3/blake3.js';

/**
 * The BLAKE3 of a file: 32 bytes. Reads and hashes 1 MiB at a time, about a millisecond, between which the event
 * loop turns.
 */
export async function hashFile(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const fast = createBlake3();
    return fast === undefined ? await hashSlowly(file) : await hashFast(file, fast);
  } finally {
    await file.close();
  }
}

async function hashFast(file: FileHandle, hash: Blake3): Promise<Uint8Array> {
  for (;;) {
    const { bytesRead } = await file.read(hash.room, 0, MOST_INPUT_BYTES);
    if (bytesRead === 0) return hash.digest();
    hash.push(bytesRead);
  }
}

async function hashSlowly(file: FileHandle): Promise<Uint8Array> {
  const hash = blake3.create();
  // About two milliseconds of the event loop.
  const piece = new Uint8Array(64 * 1024);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, piece.length);
    if (bytesRead === 0) return hash.digest();
    hash.update(piece.subarray(0, bytesRead));
  }
}
