import { throwIfAborted } from '../abort.js';
import { systemClock } from '../clock.js';
import { debug } from '../debug-log.js';
import { BrokerPoolError, escaped, printableEndpoint } from '../errors.js';
import { explainedError, type Tried } from '../explained-error.js';

/** A call that connects once. */
export interface OneShotCall extends Pick<
  Tried,
  'action' | 'brokerEndpoint' | 'serviceName' | 'wantedVersion'
> {
  readonly signal: AbortSignal | undefined;
  /** The message of `ABORTED`. */
  readonly aborted: string;
}

/** Runs a call that connects once. An error that it fails with says what was tried, and for how long. */
export async function runOneShot<T>(
  { signal, aborted, ...tried }: OneShotCall,
  call: () => Promise<T>,
): Promise<T> {
  const startedMs = systemClock.now();
  let attempts = 0;
  debug(() => `${describe(tried)} begins`);
  try {
    throwIfAborted(signal, aborted);
    attempts = 1;
    const result = await call();
    debug(() => `${describe(tried)} is done after ${(systemClock.now() - startedMs).toFixed(1)} ms`);
    return result;
  } catch (error) {
    if (!(error instanceof BrokerPoolError)) throw error;
    const explained = explainedError(error, { ...tried, attempts, elapsedMs: systemClock.now() - startedMs });
    debug(() => `${describe(tried)} has failed: ${explained.code}, ${escaped(explained.message)}`);
    throw explained;
  }
}

function describe({ action = 'connect', brokerEndpoint, serviceName, wantedVersion }: Tried): string {
  const broker = brokerEndpoint === undefined ? undefined : `broker ${printableEndpoint(brokerEndpoint)}`;
  return ['one-shot', action, serviceName, wantedVersion, broker]
    .filter((part) => part !== undefined)
    .join(' ');
}
