import { onAbort } from '../abort.js';
import { BrokerPoolError } from '../errors.js';

/** Throws `ABORTED` with the signal's reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined, message: string): void {
  if (signal?.aborted) throw new BrokerPoolError('ABORTED', message, { cause: signal.reason });
}

/** Waits for `start` to settle; when the signal aborts first, calls what `start` returned and rejects with `ABORTED`. */
export function abortable<T>(
  signal: AbortSignal | undefined,
  message: string,
  start: (settle: (value: T) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = start((value) => {
      stopListening();
      resolve(value);
    });
    const stopListening =
      signal === undefined
        ? () => {}
        : onAbort(signal, () => {
            // Before giving up, which may settle at once.
            reject(new BrokerPoolError('ABORTED', message, { cause: signal.reason }));
            giveUp();
          });
  });
}
