import { AsyncLocalStorage, AsyncResource, executionAsyncId } from 'node:async_hooks';

/**
 * Runs code in an asynchronous context: what an `AsyncLocalStorage` says there, and in all callbacks that
 * begin there.
 */
export type RunInContext = <T>(work: () => T) => T;

/** The context of this call, for a callback that serves its caller later. */
export function currentContext(): RunInContext {
  return AsyncLocalStorage.snapshot();
}

/** The two properties of a resource that do not belong to its context. */
const RESOURCE_NUMBERS: ReadonlySet<string | undefined> = new Set([
  'async_id_symbol',
  'trigger_async_id_symbol',
]);

/**
 * A resource of no context. A new one has that in which this module loads, under symbols that differ between
 * Node's releases.
 */
const EMPTY = new AsyncResource('BrokerPool', { requireManualDestroy: true });
for (const symbol of Object.getOwnPropertySymbols(EMPTY)) {
  if (!RESOURCE_NUMBERS.has(symbol.description)) Reflect.set(EMPTY, symbol, undefined);
}

/** Whether a resource can be copied. Where it cannot, work runs in the context in which this module loads. */
let isCopied = true;

/**
 * Runs code in no caller's context: the pool's own timers, connects and events. A timer or a socket that keeps
 * running from there would otherwise show one caller's requests in another's traces, and keep that caller's context
 * in memory.
 */
export const outOfContext: RunInContext = (work) => {
  // A copy for each run. Before Node 24 `AsyncLocalStorage` writes into the resource that is running: what a
  // callback enters would stay for all later runs, and what it runs in would be seen by a run inside.
  const resource: AsyncResource = isCopied
    ? Object.assign(Object.create(AsyncResource.prototype), EMPTY)
    : EMPTY;
  return resource.runInAsyncScope(work);
};

try {
  outOfContext(() => {});
} catch {
  isCopied = false;
}

/**
 * Whether what `AsyncLocalStorage` holds is kept on the resource that is running, as before Node 24. Its class has
 * another method then.
 */
const IS_KEPT_ON_RESOURCE = '_enable' in AsyncLocalStorage.prototype;

/** The symbol under which promises and resources have an id while hooks or stores watch contexts. */
const ID_SYMBOL = Object.getOwnPropertySymbols(EMPTY).find(
  ({ description }) => description === 'async_id_symbol',
);

/** Makes a promise of Node's own, also where a library has replaced the global class. */
async function newPromise(): Promise<void> {}

/**
 * Whether this call runs in no asynchronous context, and nothing watches contexts: where there are stores or hooks,
 * each reaction of a promise has an id of its own. False also where Node does not show it.
 */
export function isOutOfContext(): boolean {
  if (!IS_KEPT_ON_RESOURCE || executionAsyncId() !== 0) return false;
  // While a promise gets no id, nothing watches contexts, and no store is in use. The resource below takes 0.6 µs more.
  if (ID_SYMBOL !== undefined && !(ID_SYMBOL in newPromise())) return true;
  // A resource gets the stores of the context in which it is made. After the first call of `executionAsyncResource`,
  // which would tell the same, Node takes a detour for each callback of the process: 1 µs for a request.
  const resource = new AsyncResource('BrokerPool', 0);
  const symbols = Object.getOwnPropertySymbols(resource);
  // A store that has been left leaves its symbol behind.
  return (
    symbols.length === RESOURCE_NUMBERS.size ||
    symbols.every(
      (symbol) => RESOURCE_NUMBERS.has(symbol.description) || Reflect.get(resource, symbol) === undefined,
    )
  );
}
