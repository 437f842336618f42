/** Runs what may call code that a caller has left on its socket. Returns `undefined` where that throws. */
export function withoutThrowing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
