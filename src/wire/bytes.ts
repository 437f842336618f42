/**
 * New bytes, all zero, outside V8's own heap. Arrays of up to 64 bytes are kept on that otherwise, and its
 * collections move them about: what they leave behind nobody can overwrite, and some of the bytes here are
 * tokens.
 */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A copy in memory as {@link allocate} gives it. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // Nothing to hide, and on V8's heap it costs next to nothing.
  if (bytes.length === 0) return new Uint8Array(0);
  const copy = allocate(bytes.length);
  copy.set(bytes);
  return copy;
}
