import { isMainThread } from 'node:worker_threads';
import { printable } from './errors.js';

/**
 * Hands a warning to the process. Work of the pool's own does so out of its callers' asynchronous contexts.
 */
export function warnProcess(code: string, message: string, detail?: string): void {
  process.emitWarning(message, { type: 'BrokerPoolWarning', code, ...(detail !== undefined && { detail }) });
}

const warned = new Set<string>();

/** Warns once for each variable whose value has no effect: a typing mistake must not pass in silence. */
export function warnOfVariable(name: string, value: string, rule: string): void {
  if (warned.has(name)) return;
  warned.add(name);
  warnProcess('BROKER_POOL_ENVIRONMENT', `${name}=${printable(value)} has no effect: ${rule}`);
}

/**
 * Whether a variable of this package is `0`. Anything but that and `1` is a warning, given in the main thread
 * only: each thread reads it.
 */
export function isSwitchedOff(name: string): boolean {
  const value = process.env[name];
  if (isMainThread && value !== undefined && !['', '0', '1'].includes(value))
    warnOfVariable(name, value, 'only 0 switches it off');
  return value === '0';
}
