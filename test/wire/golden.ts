import { readFileSync } from 'node:fs';
import { fromHex } from './hex.js';

/**
 * A message as the Rust crate encoded it. In `value` 64-bit numbers are decimal and bytes hexadecimal
 * strings.
 */
export interface GoldenMessage {
  readonly message: string;
  readonly name: string;
  /**
   * False where encoders are free to differ, so that only decoded messages can be compared: entries of a map
   * have no order (W-24), and an empty key or value of an entry may be written or left out.
   */
  readonly canonical: boolean;
  readonly value: Readonly<Record<string, unknown>>;
  readonly hex: string;
}

/** A frame as the Rust crate wrote it; its body need not be a Frame message. */
export interface GoldenFrame {
  readonly name: string;
  readonly bodyHex: string;
  readonly wireHex: string;
}

interface GoldenVectors {
  /** The crate and version that made them. */
  readonly crate: string;
  readonly messages: readonly GoldenMessage[];
  readonly frames: readonly GoldenFrame[];
}

/** Made by the interop program in test/interop/rust; see refresh-golden-vectors.js. */
export const goldenVectors: GoldenVectors = JSON.parse(
  readFileSync(new URL('../../../test/wire/golden-vectors.json', import.meta.url), 'utf8'),
);

/**
 * A golden value as our message: each field takes the form it has in `defaults`, an empty message decoded.
 */
export function messageFromGolden(value: object, defaults: object): object {
  const message: Record<string, unknown> = { ...defaults };
  for (const [key, field] of Object.entries(value)) {
    const form: unknown = Reflect.get(defaults, key);
    if (typeof form === 'bigint') message[key] = BigInt(String(field));
    else if (form instanceof Uint8Array) message[key] = fromHex(String(field));
    else message[key] = field;
  }
  return message;
}
