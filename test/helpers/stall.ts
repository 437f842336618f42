const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** Holds up this thread's event loop, as synchronous work does, but leaves the processor to the other processes. */
export function stall(durationMs: number): void {
  Atomics.wait(NEVER, 0, 0, durationMs);
}
