import { systemClock } from '../clock.js';

/** Waits for a promise, for so long at most. */
export async function within(limitMs: number, promise: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const limit = new Promise<void>((resolve) => {
    if (limitMs !== Infinity) cancel = systemClock.schedule(limitMs, resolve, true);
  });
  await Promise.race([promise, limit]);
  cancel();
}
