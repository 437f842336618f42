/**
 * BLAKE3 of a few bytes, for names that are derived synchronously: Node has none, and a library's six files take
 * 8 ms of a new process. Executables are hashed by a library (`src/identity/blake3.ts`).
 *
 * @see https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf sections 2.1 to 2.5
 */

const INITIAL = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
/** Which word of the block takes the place of each in the next round. */
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** The words of the state that are mixed: columns, then diagonals. */
const MIXED = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;
const ROUNDS = 7;
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

/** The 32 bytes of the hash. */
export function blake3(bytes: Uint8Array): Uint8Array {
  const hash = new DataView(new ArrayBuffer(32));
  for (const [index, word] of hashTree(bytes, 0, ROOT).entries()) hash.setUint32(index * 4, word, true);
  return new Uint8Array(hash.buffer);
}

/** Chunks of 1 KiB are the leaves; the left half of a tree is full. */
function hashTree(bytes: Uint8Array, firstChunk: number, root: number): Uint32Array {
  if (bytes.length <= CHUNK_BYTES) return hashChunk(bytes, firstChunk, root);
  let left = CHUNK_BYTES;
  while (left * 2 < bytes.length) left *= 2;
  const block = new Uint32Array(16);
  block.set(hashTree(bytes.subarray(0, left), firstChunk, 0));
  block.set(hashTree(bytes.subarray(left), firstChunk + left / CHUNK_BYTES, 0), 8);
  return compress(INITIAL, block, 0, BLOCK_BYTES, PARENT | root);
}

function hashChunk(bytes: Uint8Array, chunk: number, root: number): Uint32Array {
  let chaining: Uint32Array = INITIAL;
  let start = 0;
  do {
    const piece = bytes.subarray(start, start + BLOCK_BYTES);
    const padded = new Uint8Array(BLOCK_BYTES);
    padded.set(piece);
    const view = new DataView(padded.buffer);
    const block = Uint32Array.from({ length: 16 }, (_, index) => view.getUint32(index * 4, true));
    const isFirst = start === 0;
    start += BLOCK_BYTES;
    const isLast = start >= bytes.length;
    const flags = (isFirst ? CHUNK_START : 0) | (isLast ? CHUNK_END | root : 0);
    chaining = compress(chaining, block, chunk, piece.length, flags);
  } while (start < bytes.length);
  return chaining;
}

function compress(
  chaining: Uint32Array,
  block: Uint32Array,
  chunk: number,
  length: number,
  flags: number,
): Uint32Array {
  const state = new Uint32Array(16);
  state.set(chaining);
  state.set(INITIAL.subarray(0, 4), 8);
  state.set([chunk, Math.floor(chunk / 2 ** 32), length, flags], 12);
  let words = Array.from(block);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, places] of MIXED.entries())
      mix(state, places, words[index * 2] ?? 0, words[index * 2 + 1] ?? 0);
    words = ORDER.map((place) => words[place] ?? 0);
  }
  return Uint32Array.from({ length: 8 }, (_, index) => (state[index] ?? 0) ^ (state[index + 8] ?? 0));
}

function mix(state: Uint32Array, [a, b, c, d]: (typeof MIXED)[number], first: number, second: number): void {
  const of = (place: number): number => state[place] ?? 0;
  const half = (word: number, onD: number, onB: number): void => {
    state[a] = of(a) + of(b) + word;
    state[d] = rotated(of(d) ^ of(a), onD);
    state[c] = of(c) + of(d);
    state[b] = rotated(of(b) ^ of(c), onB);
  };
  half(first, 16, 12);
  half(second, 8, 7);
}

function rotated(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
