/** How `code` narrows an error. */
import {
  BrokerPool,
  BrokerPoolError,
  type BrokerPoolFailure,
  type RefusalKind,
  type TimeoutPhase,
} from 'broker-pool';

declare const pool: BrokerPool;
declare function report(kind: RefusalKind, reason: string): void;
declare function comeBackLater(): void;

export async function work(): Promise<void> {
  try {
    await using lease = await pool.acquire();
    lease.socket.write('hello');
  } catch (error) {
    if (!(error instanceof BrokerPoolError)) throw error;
    if (error.code === 'REFUSED') return report(error.refusalKind, error.reason);
    if (error.code === 'QUEUE_FULL') return comeBackLater();
    throw error;
  }
}

export function narrowed(error: unknown): [RefusalKind, number, number, string] | TimeoutPhase | undefined {
  if (!(error instanceof BrokerPoolError)) return undefined;
  const common: [
    string | undefined,
    string | undefined,
    string | undefined,
    number | undefined,
    number | undefined,
  ] = [error.endpoint, error.serviceName, error.wantedVersion, error.attempts, error.elapsedMs];
  if (error.code === 'REFUSED')
    return [error.refusalKind, error.refusalCode, error.retryAfterMs, error.reason];
  // @ts-expect-error -- only a refusal has a reason
  const reason: string = error.reason;
  if (error.code === 'TIMEOUT') return error.phase;
  const none: undefined = error.phase;
  return common.length > 0 && reason === '' ? none : undefined;
}

pool.on('acquireFailed', ({ pool: name, error }) => {
  const failure: BrokerPoolFailure = error;
  if (error.code === 'TIMEOUT') process.emitWarning([name, error.phase, failure.message].join(' '));
});

// @ts-expect-error -- a misspelt event
pool.on('aquired', () => {});
