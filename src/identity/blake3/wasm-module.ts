/** The few parts of the WebAssembly binary format that the hash needs. */

/** Opcodes. Those of two bytes and more are SIMD. */
export const op = {
  i32: {
    load: 0x28,
    store: 0x36,
    constant: 0x41,
    add: 0x6a,
    xor: 0x73,
    rotr: 0x78,
    eq: 0x46,
    or: 0x72,
    shl: 0x74,
  },
  v128: {
    load: [0xfd, 0x00],
    store: [0xfd, 0x0b],
    constant: [0xfd, 0x0c],
    shuffle: [0xfd, 0x0d],
    splat: [0xfd, 0x11],
    or: [0xfd, 0x50],
    xor: [0xfd, 0x51],
    shl: [0xfd, 0xab, 0x01],
    shr: [0xfd, 0xad, 0x01],
    add: [0xfd, 0xae, 0x01],
  },
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  loop: 0x03,
  branchIf: 0x0d,
  lessThan: 0x49,
  end: 0x0b,
  empty: 0x40,
} as const;

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0] as const;
const I32 = 0x7f;
const V128 = 0x7b;
const FUNCTION = 0x60;

/** A function without a result. Its locals follow its parameters: first those of 32 bits, then vectors. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly i32Locals: number;
  readonly v128Locals: number;
  readonly code: readonly number[];
}

/** An unsigned number in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** A 32-bit number in signed LEB128. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const isLast = (rest < 0x40 && rest >= 0) || (rest < 0 && rest >= -0x40);
    if (isLast) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** A module that exports the functions, and its memory of `pages` times 64 KiB as `memory`. */
export function assemble(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const types = functions.map(({ parameters }) => [
    FUNCTION,
    ...vector(Array.from({ length: parameters }, () => [I32])),
    0,
  ]);
  const exports = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]);
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(5, vector([[0, ...unsigned(pages)]])),
    ...section(7, vector([...exports, [...text('memory'), 2, 0]])),
    ...section(10, vector(functions.map(body))),
  ]);
}

function body({ code, i32Locals, v128Locals }: WasmFunction): number[] {
  const locals = [
    [...unsigned(i32Locals), I32],
    [...unsigned(v128Locals), V128],
  ];
  const content = [...vector(locals), ...code, op.end];
  return [...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(name: string): number[] {
  return vector([...Buffer.from(name)].map((byte) => [byte]));
}
