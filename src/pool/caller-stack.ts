/**
 * A promise that rejects with an error whose stack ends in the caller that awaits it.
 *
 * A caller that waits is served long after its `acquire` has returned, so no stack of that moment has it. To
 * take one when the wait begins would cost every caller that waits a microsecond. But V8 finds the caller
 * that awaits a promise from inside a reaction that leads to it: so the stack is taken anew in a reaction,
 * two ticks on, when the caller's promise follows this one. That costs only an acquire that fails.
 */
export function rejectionOf(failure: Error): Promise<never> {
  return Promise.resolve()
    .then(() => undefined)
    .then(function atCaller(): never {
      Error.captureStackTrace(failure, atCaller);
      throw failure;
    });
}
