import { hasAborted, onAbort, reasonOf } from '../abort.js';
import { BrokerPoolError } from '../errors.js';

/** Throws `ABORTED` with the signal's reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined, message: string): void {
  if (signal !== undefined && hasAborted(signal))
    throw new BrokerPoolError('ABORTED', message, { cause: reasonOf(signal) });
}

/**
 * Waits for `start` to settle; when the signal aborts first, calls what `start` returned and rejects with
 * `ABORTED`.
 */
export function abortable<T>(
  signal: AbortSignal | undefined,
  message: string,
  start: (settle: (value: T) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let stopListening = (): void => {};
    const giveUp = start((value) => {
      stopListening();
      resolve(value);
    });
    if (signal === undefined) return;
    const fail = (error: BrokerPoolError): void => {
      // Before giving up, which may settle at once.
      reject(error);
      giveUp();
    };
    try {
      stopListening = onAbort(signal, () =>
        fail(new BrokerPoolError('ABORTED', message, { cause: reasonOf(signal) })),
      );
    } catch (cause) {
      fail(
        new BrokerPoolError('INVALID_ARGUMENT', 'signal must be an AbortSignal: addEventListener threw', {
          cause,
        }),
      );
    }
  });
}
