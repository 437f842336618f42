/** What waits for one signal. */
interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

/** One listener a signal, however many wait for it: Node warns of more than ten as of a leak. */
const waitingBySignal = new WeakMap<AbortSignal, Waiting>();

/** Calls `callback` once when `signal` aborts. Returns a function that takes the callback away. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks } = waitingBySignal.get(signal) ?? listen(signal);
  callbacks.add(callback);
  return () => {
    // The last one takes the listener along: a long-lived signal must not collect what has come and gone.
    if (callbacks.delete(callback) && callbacks.size === 0) stopListening(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waitingBySignal.delete(signal);
    for (const callback of callbacks) callback();
  };
  const waiting: Waiting = { callbacks, listener };
  waitingBySignal.set(signal, waiting);
  signal.addEventListener('abort', listener, { once: true });
  return waiting;
}

function stopListening(signal: AbortSignal): void {
  const waiting = waitingBySignal.get(signal);
  if (waiting !== undefined) signal.removeEventListener('abort', waiting.listener);
  waitingBySignal.delete(signal);
}
