/** All memory that `run` allocates explicitly, outside V8's own heap. */
export function recordedMemory(run: () => void): Uint8Array[] {
  const made: ArrayBuffer[] = [];
  const original = globalThis.ArrayBuffer;
  globalThis.ArrayBuffer = new Proxy(original, {
    construct(target, [length]: [number]) {
      const memory = new target(length);
      made.push(memory);
      return memory;
    },
  });
  try {
    run();
  } finally {
    globalThis.ArrayBuffer = original;
  }
  return made.map((memory) => new Uint8Array(memory));
}

/** Whether these bytes are anywhere in there. */
export function holds(memory: Uint8Array, bytes: Uint8Array): boolean {
  return Buffer.from(memory.buffer).indexOf(bytes) >= 0;
}
