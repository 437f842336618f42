import { open } from 'node:fs/promises';
import { blake3 } from '@noble/hashes/blake3.js';

const CHUNK_BYTES = 1024 * 1024;

/** The BLAKE3 of a file: 32 bytes. Reads and hashes in pieces, between which the event loop turns. */
export async function hashFile(path: string): Promise<Uint8Array> {
  const hash = blake3.create();
  const file = await open(path, 'r');
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest();
}
