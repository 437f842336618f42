import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from 'node:fs';
import { monotonicNowMs, systemClock } from '../../clock.js';
import { loadListeningCalls } from '../../os/listening.js';
import { inUseError } from './start-error.js';

/** A holder needs the lock for a few system calls, and a dial at most. */
const WAIT_LIMIT_MS = 5_000;
const PAUSE_MS = 10;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * Runs `work` while no other process of this package or of the Rust crate binds or recovers the socket: two
 * that find the same stale file would otherwise remove each other's sockets. The lock is `<socket>.bind.lock`,
 * and ends with its holder, however that ends. Without the C library there is no lock.
 *
 * @param isServed ends the wait when a process listens: with the lock this process would only find that out, and of
 * many backends that start at once, the last would have waited for the dials of all others
 * @throws `ENDPOINT_IN_USE` where a process listens
 */
export async function withBindLock<T>(
  endpoint: string,
  work: () => Promise<T>,
  isServed: () => Promise<boolean>,
): Promise<T> {
  const calls = loadListeningCalls();
  if (calls === undefined) return await work();
  const path = `${endpoint}.bind.lock`;
  const deadlineMs = monotonicNowMs() + WAIT_LIMIT_MS;
  for (;;) {
    const descriptor = openSync(path, FLAGS, 0o600);
    try {
      if (calls.lock(descriptor) >= 0 && isStill(path, descriptor)) {
        try {
          return await work();
        } finally {
          // While it is locked: another process may have opened it, and then finds that it is gone.
          rmSync(path, { force: true });
        }
      }
    } finally {
      closeSync(descriptor);
    }
    if (await isServed()) throw inUseError(endpoint);
    if (monotonicNowMs() > deadlineMs) throw new Error(`${path} stays locked by another process`);
    await new Promise<void>((resolve) => void systemClock.schedule(PAUSE_MS, resolve, true));
  }
}

/** Whether the locked file is still the one that other processes open. */
function isStill(path: string, descriptor: number): boolean {
  const named = lstatSync(path, { throwIfNoEntry: false });
  const locked = fstatSync(descriptor);
  return named?.ino === locked.ino && named.dev === locked.dev;
}
