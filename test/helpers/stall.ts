/** Holds up this thread's event loop, as synchronous work or a garbage collection does. */
export function stall(durationMs: number): void {
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs);
}
