import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const MASK = 0x5a;
const PIECE_BYTES = 1024 * 1024;
/** Too few bytes to reveal a word, but nearly always enough to find it. */
const START_BYTES = 4;

/** A word in a form in which a search of this process's memory does not find it. */
export interface MaskedWord {
  readonly start: Buffer;
  readonly masked: readonly number[];
}

export function masked(word: Uint8Array): MaskedWord {
  return {
    start: Buffer.from(word.subarray(0, START_BYTES)),
    masked: Array.from(word, (byte) => byte ^ MASK),
  };
}

/** How often each of the words is in the memory that this process can write to. Linux only. */
export function countInOwnMemory(words: readonly MaskedWord[]): number[] {
  const counts = words.map(() => 0);
  const overlap = Math.max(...words.map((word) => word.masked.length)) - 1;
  const piece = Buffer.alloc(PIECE_BYTES);
  const memory = openSync('/proc/self/mem', 'r');
  for (const [from, to] of writableRanges()) {
    for (let at = from; at < to; at += PIECE_BYTES - overlap) {
      const length = Math.min(PIECE_BYTES, to - at);
      if (!isRead(memory, piece, length, at)) continue;
      for (const [index, word] of words.entries())
        counts[index] = (counts[index] ?? 0) + countIn(piece.subarray(0, length), word, overlap);
      // Or it would be found once more, here.
      piece.fill(0);
    }
  }
  closeSync(memory);
  return counts;
}

/** Counts what begins before the overlap with the next piece. */
function countIn(piece: Buffer, { start, masked: expected }: MaskedWord, overlap: number): number {
  const end = piece.length === PIECE_BYTES ? piece.length - overlap : piece.length;
  let count = 0;
  for (let at = piece.indexOf(start); at >= 0 && at < end; at = piece.indexOf(start, at + 1)) {
    if (expected.every((byte, index) => piece[at + index] === (byte ^ MASK))) count += 1;
  }
  return count;
}

function writableRanges(): (readonly [from: number, to: number])[] {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return maps.flatMap((line) => {
    const [range = '', access = ''] = line.split(' ');
    const [from = '', to = ''] = range.split('-');
    return access.startsWith('rw') ? [[Number.parseInt(from, 16), Number.parseInt(to, 16)] as const] : [];
  });
}

/** A range may be gone by now, or belong to a device. */
function isRead(memory: number, into: Buffer, length: number, at: number): boolean {
  try {
    return readSync(memory, into, 0, length, at) > 0;
  } catch {
    return false;
  }
}
