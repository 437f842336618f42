import { throwLater } from './clock.js';
import { BrokerPoolError } from './errors.js';

/** Whether a signal has aborted. A signal that is not a real one may throw: then only its event counts. */
export function hasAborted(signal: AbortSignal): boolean {
  try {
    return signal.aborted;
  } catch {
    return false;
  }
}

/** Why a signal aborted; `undefined` where a signal that is not a real one throws. */
function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch {
    return undefined;
  }
}

/** The callbacks of one signal. */
class AbortWatch {
  readonly #signal: AbortSignal;
  readonly #callbacks: Set<() => void>;
  readonly #listener = (): void => this.#onAbort();

  constructor(signal: AbortSignal, callbacks: Set<() => void>) {
    this.#signal = signal;
    this.#callbacks = callbacks;
  }

  /**
   * A signal that is not a real one may throw, or abort at once. Then it is not watched.
   */
  start(): void {
    watches.set(this.#signal, this);
    try {
      this.#signal.addEventListener('abort', this.#listener, { once: true });
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  add(callback: () => void): void {
    this.#callbacks.add(callback);
  }

  /**
   * Removes a callback, and with the last one the listener: a long-lived signal must not collect listeners.
   */
  remove(callback: () => void): void {
    if (!this.#callbacks.delete(callback) || this.#callbacks.size > 0) return;
    this.#forget();
    try {
      this.#signal.removeEventListener('abort', this.#listener);
    } catch {
      // A listener that stays has no callbacks to run.
    }
  }

  #onAbort(): void {
    this.#forget();
    for (const callback of this.#callbacks) {
      try {
        callback();
      } catch (error) {
        throwLater(error);
      }
    }
  }

  #forget(): void {
    if (watches.get(this.#signal) === this) watches.delete(this.#signal);
  }
}

/**
 * One listener for each signal and all its callbacks: Node warns of more than ten listeners as of a leak.
 */
const watches = new WeakMap<AbortSignal, AbortWatch>();

/**
 * Calls `callback` once when `signal` aborts. Returns a function that takes the callback away, and never
 * throws.
 *
 * @throws the error of `addEventListener` where the signal is not a real one; `callback` is not called then
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let watch = watches.get(signal);
  if (watch === undefined) {
    watch = new AbortWatch(signal, new Set([callback]));
    watch.start();
  } else {
    watch.add(callback);
  }
  const watching = watch;
  return () => watching.remove(callback);
}

/**
 * Calls `fail` once: with `ABORTED` when `signal` aborts, or at once with `INVALID_ARGUMENT` where it is not a
 * real one. Returns a function that takes `fail` away, and never throws.
 */
export function failOnAbort(
  signal: AbortSignal,
  message: string,
  fail: (error: BrokerPoolError) => void,
): () => void {
  try {
    return onAbort(signal, () => fail(abortedError(signal, message)));
  } catch (cause) {
    const problem = 'signal must be an AbortSignal: addEventListener threw';
    fail(new BrokerPoolError('INVALID_ARGUMENT', problem, { cause }));
    return () => {};
  }
}

/** Throws `ABORTED` with the signal's reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined, message: string): void {
  if (signal !== undefined && hasAborted(signal)) throw abortedError(signal, message);
}

/**
 * Waits until `start` settles. When the signal aborts first, the promise rejects with `ABORTED`, and the
 * function that `start` returned is called to give the work up.
 */
export function abortable<T>(
  signal: AbortSignal,
  message: string,
  start: (settle: (value: T) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let stopListening: (() => void) | undefined;
    const giveUp = start((value) => {
      stopListening?.();
      resolve(value);
    });
    stopListening = failOnAbort(signal, message, (error) => {
      // Before giving up, which may settle at once.
      reject(error);
      giveUp();
    });
  });
}

/** The error of a call whose signal has aborted, with the signal's reason as its cause. */
export function abortedError(signal: AbortSignal, message: string): BrokerPoolError {
  return new BrokerPoolError('ABORTED', message, { cause: reasonOf(signal) });
}
