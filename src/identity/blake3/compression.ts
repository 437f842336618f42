import { op, signed, unsigned, type WasmFunction } from './wasm-module.js';

export const IV = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const;
export const BLOCK_BYTES = 64;
export const CHUNK_BYTES = 1024;
export const FLAG = { CHUNK_START: 1, CHUNK_END: 2, PARENT: 4, ROOT: 8 } as const;

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8] as const;
const ROUNDS = 7;
/** The words of the state that each quarter of a round mixes: columns, then diagonals. */
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;
/** Rotations to the right in the two halves of a quarter. */
const ROTATIONS = [
  [16, 12],
  [8, 7],
] as const;

type Code = readonly number[];

/** How to compute with one kind of value: a word, or four words of four chunks side by side. */
interface Arithmetic {
  readonly add: Code;
  readonly xor: Code;
  /** Rotates the local `index` to the right, in place. */
  rotate(index: number, bits: number): Code;
}

const get = (index: number): Code => [op.get, ...unsigned(index)];
const set = (index: number): Code => [op.set, ...unsigned(index)];
const constant = (value: number): Code => [op.i32.constant, ...signed(value)];

const words: Arithmetic = {
  add: [op.i32.add],
  xor: [op.i32.xor],
  rotate: (index, bits) => [...get(index), ...constant(bits), op.i32.rotr, ...set(index)],
};

const vectors: Arithmetic = {
  add: op.v128.add,
  xor: op.v128.xor,
  rotate(index, bits) {
    // Whole bytes move in one instruction.
    if (bits % 8 === 0)
      return [...get(index), ...get(index), ...shuffle(rotatedBytes(bits / 8)), ...set(index)];
    const right = [...get(index), ...constant(bits), ...op.v128.shr];
    const left = [...get(index), ...constant(32 - bits), ...op.v128.shl];
    return [...right, ...left, ...op.v128.or, ...set(index)];
  },
};

/** Where each of the 16 bytes comes from when every word is rotated to the right by so many bytes. */
function rotatedBytes(bytes: number): number[] {
  return Array.from({ length: 16 }, (_, at) => (at & ~3) | ((at + bytes) & 3));
}

function shuffle(lanes: readonly number[]): Code {
  return [...op.v128.shuffle, ...lanes];
}

/** Takes words of two vectors: 0 to 3 are those of the first one. */
function pick(first: number, second: number, lanes: readonly number[]): Code {
  const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
  return [...get(first), ...get(second), ...shuffle(bytes)];
}

/** All rounds over a state in the locals from `state` and a message in those from `message`. */
function rounds(arithmetic: Arithmetic, state: number, message: number): Code {
  const code: number[] = [];
  let order = Array.from({ length: 16 }, (_, index) => index);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [quarter, [first, second, third, fourth]] of QUARTERS.entries()) {
      const [a, b, c, d] = [state + first, state + second, state + third, state + fourth];
      for (const [half, [rotateD, rotateB]] of ROTATIONS.entries()) {
        const word = message + order[quarter * 2 + half]!;
        code.push(...get(a), ...get(b), ...arithmetic.add, ...get(word), ...arithmetic.add, ...set(a));
        code.push(...get(d), ...get(a), ...arithmetic.xor, ...set(d), ...arithmetic.rotate(d, rotateD));
        code.push(...get(c), ...get(d), ...arithmetic.add, ...set(c));
        code.push(...get(b), ...get(c), ...arithmetic.xor, ...set(b), ...arithmetic.rotate(b, rotateB));
      }
    }
    order = PERMUTATION.map((index) => order[index]!);
  }
  return code;
}

/**
 * `compress(cv, block, counter, length, flags, out)`: one block. `cv` and `out` are 32 bytes, `block` 64; all are
 * addresses, and may overlap.
 */
export function compressFunction(): WasmFunction {
  const [cv, block, counter, length, flags, out] = [0, 1, 2, 3, 4, 5];
  const state = 6;
  const message = state + 16;
  const code: number[] = [];
  const load = (address: number, word: number): Code => [
    ...get(address),
    op.i32.load,
    2,
    ...unsigned(word * 4),
  ];
  for (let word = 0; word < 8; word++) code.push(...load(cv, word), ...set(state + word));
  for (let word = 0; word < 4; word++) code.push(...constant(IV[word]!), ...set(state + 8 + word));
  for (const [index, value] of [get(counter), constant(0), get(length), get(flags)].entries())
    code.push(...value, ...set(state + 12 + index));
  for (let word = 0; word < 16; word++) code.push(...load(block, word), ...set(message + word));
  code.push(...rounds(words, state, message));
  for (let word = 0; word < 8; word++)
    code.push(
      ...get(out),
      ...get(state + word),
      ...get(state + 8 + word),
      op.i32.xor,
      op.i32.store,
      2,
      ...unsigned(word * 4),
    );
  return { name: 'compress', parameters: 6, i32Locals: 32, v128Locals: 0, code };
}

/**
 * `chunks(input, out, counter)`: the chaining values, 32 bytes each, of four whole chunks one behind the other, the
 * first of which has the number `counter`. None of them is the last of its input.
 */
export function chunksFunction(): WasmFunction {
  const [input, out, counter, block, flags] = [0, 1, 2, 3, 4];
  const hash = 5;
  const state = hash + 8;
  const message = state + 16;
  const code: number[] = [];
  const splat = (value: Code): Code => [...value, ...op.v128.splat];
  for (let word = 0; word < 8; word++) code.push(...splat(constant(IV[word]!)), ...set(hash + word));
  code.push(op.loop, op.empty);
  for (let group = 0; group < 4; group++) code.push(...loadGroup(input, group, message, state));
  for (let word = 0; word < 8; word++) code.push(...get(hash + word), ...set(state + word));
  for (let word = 0; word < 4; word++) code.push(...splat(constant(IV[word]!)), ...set(state + 8 + word));
  const counters = [0, 1, 2, 3].flatMap((chunk) => [chunk, 0, 0, 0]);
  code.push(...splat(get(counter)), ...op.v128.constant, ...counters, ...op.v128.add, ...set(state + 12));
  code.push(...splat(constant(0)), ...set(state + 13), ...splat(constant(BLOCK_BYTES)), ...set(state + 14));
  // CHUNK_START is 1, CHUNK_END twice that.
  const isBlock = (number: number): Code => [...get(block), ...constant(number), op.i32.eq];
  code.push(...isBlock(0), ...isBlock(15), ...constant(1), op.i32.shl, op.i32.or, ...set(flags));
  code.push(...splat(get(flags)), ...set(state + 15));
  code.push(...rounds(vectors, state, message));
  for (let word = 0; word < 8; word++)
    code.push(...get(state + word), ...get(state + 8 + word), ...op.v128.xor, ...set(hash + word));
  code.push(...get(input), ...constant(BLOCK_BYTES), op.i32.add, ...set(input));
  code.push(
    ...get(block),
    ...constant(1),
    op.i32.add,
    op.tee,
    ...unsigned(block),
    ...constant(16),
    op.lessThan,
  );
  code.push(op.branchIf, 0, op.end);
  for (const half of [0, 4]) {
    code.push(...transpose(hash + half, state));
    for (let chunk = 0; chunk < 4; chunk++)
      code.push(
        ...get(out),
        ...get(hash + half + chunk),
        ...op.v128.store,
        2,
        ...unsigned(chunk * 32 + half * 4),
      );
  }
  return { name: 'chunks', parameters: 3, i32Locals: 2, v128Locals: 40, code };
}

/** Loads four words of each of the four chunks into four locals: word by word, the chunks side by side. */
function loadGroup(input: number, group: number, message: number, scratch: number): Code {
  const first = message + group * 4;
  const code: number[] = [];
  for (let chunk = 0; chunk < 4; chunk++)
    code.push(
      ...get(input),
      ...op.v128.load,
      2,
      ...unsigned(chunk * CHUNK_BYTES + group * 16),
      ...set(first + chunk),
    );
  return [...code, ...transpose(first, scratch)];
}

/** Transposes four vectors of four words in place. */
function transpose(first: number, scratch: number): Code {
  const [a, b, c, d] = [first, first + 1, first + 2, first + 3];
  const [lowAb, highAb, lowCd, highCd] = [scratch, scratch + 1, scratch + 2, scratch + 3];
  const [LOW, HIGH, EVEN, ODD] = [
    [0, 4, 1, 5],
    [2, 6, 3, 7],
    [0, 1, 4, 5],
    [2, 3, 6, 7],
  ];
  const take = (into: number, from: number, and: number, lanes: readonly number[]): Code => [
    ...pick(from, and, lanes),
    ...set(into),
  ];
  return [
    take(lowAb, a, b, LOW),
    take(highAb, a, b, HIGH),
    take(lowCd, c, d, LOW),
    take(highCd, c, d, HIGH),
    take(a, lowAb, lowCd, EVEN),
    take(b, lowAb, lowCd, ODD),
    take(c, highAb, highCd, EVEN),
    take(d, highAb, highCd, ODD),
  ].flat();
}
