import { open } from 'node:fs/promises';
import { blake3 } from '@noble/hashes/blake3.js';

/** Hashing a piece takes about a millisecond. The event loop turns between two pieces. */
const PIECE_BYTES = 512 * 1024;
/** The same time without WebAssembly. */
const SLOW_PIECE_BYTES = 32 * 1024;

/** A hash that is being computed. */
interface Hasher {
  readonly pieceBytes: number;
  update(piece: Uint8Array): void;
  digest(): Uint8Array;
}

/** The BLAKE3 of a file: 32 bytes. Computed on this thread, in pieces. Rejects with the system's error. */
export async function hashHere(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const hasher = await openHasher();
    const piece = Buffer.allocUnsafeSlow(hasher.pieceBytes);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return hasher.digest();
      hasher.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function openHasher(): Promise<Hasher> {
  try {
    // Loaded only now: most programs hash no file.
    const { default: algorithm } = await import('hash-wasm/dist/blake3.umd.min.js');
    const hash = await algorithm.createBLAKE3();
    return {
      pieceBytes: PIECE_BYTES,
      update: (piece) => void hash.update(piece),
      digest: () => hash.digest('binary'),
    };
  } catch {
    // Without WebAssembly, as under `--jitless`: sixteen times as slow.
    const hash = blake3.create();
    return {
      pieceBytes: SLOW_PIECE_BYTES,
      update: (piece) => void hash.update(piece),
      digest: () => hash.digest(),
    };
  }
}
