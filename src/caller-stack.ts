/** A public method. Only its identity counts, and a method of any form has one. */
export type EntryPoint = (...values: never[]) => unknown;

/**
 * The stack of the caller, formatted, without the package's own lines: it begins below the outermost of
 * `entryPoints` that is running. The engine finds that function on the stack by its identity. File names
 * would not do: they differ between systems and source maps, and in a bundle the package and its caller are
 * in one file.
 *
 * @param entryPoints a function that may call another one of them comes before it
 */
export function callerStack(entryPoints: readonly EntryPoint[]): string {
  for (const entryPoint of entryPoints) {
    const stack = stackBelow(entryPoint);
    if (stack !== '') return stack;
  }
  return stackBelow(undefined);
}

/** Empty where the function is not running. */
function stackBelow(entryPoint: EntryPoint | undefined): string {
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, entryPoint);
  // Read at once: an unread stack keeps alive what the functions on it hold, a lease included. A program may
  // format stacks in its own way.
  const { stack } = holder;
  return typeof stack === 'string' ? stack.split('\n').slice(1).join('\n') : '';
}

/**
 * A promise that rejects with an error whose stack ends in the caller that awaits it.
 *
 * A caller that waits is served long after its call has returned, so no stack of that moment has it. To take
 * one when the wait begins would cost every caller that waits a microsecond. But V8 finds the caller that
 * awaits a promise from inside a reaction that leads to it: so the stack is taken anew in a reaction, two
 * ticks on, when the caller's promise follows this one. That costs only a call that fails.
 */
export function rejectionOf(failure: Error): Promise<never> {
  return Promise.resolve()
    .then(() => undefined)
    .then(function atCaller(): never {
      Error.captureStackTrace(failure, atCaller);
      throw failure;
    });
}
