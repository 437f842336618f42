import { throwIfAborted } from '../abort.js';
import { systemClock } from '../clock.js';
import { BrokerPoolError } from '../errors.js';
import { explainedError, type Tried } from '../explained-error.js';

/** A call that connects once. */
export interface OneShot extends Pick<Tried, 'action' | 'brokerEndpoint' | 'serviceName' | 'wantedVersion'> {
  readonly signal: AbortSignal | undefined;
  /** The message of `ABORTED`. */
  readonly aborted: string;
}

/** Runs a call that connects once. An error that it fails with says what was tried, and for how long. */
export async function explaining<T>(
  { signal, aborted, ...tried }: OneShot,
  call: () => Promise<T>,
): Promise<T> {
  const startedMs = systemClock.now();
  let attempts = 0;
  try {
    throwIfAborted(signal, aborted);
    attempts = 1;
    return await call();
  } catch (error) {
    if (!(error instanceof BrokerPoolError)) throw error;
    throw explainedError(error, { ...tried, attempts, elapsedMs: systemClock.now() - startedMs });
  }
}
