import { isMainThread } from 'node:worker_threads';
import { printable } from './errors.js';

const warned = new Set<string>();

/** Warns, once for each variable, of a value that has no effect: a typing mistake must not pass in silence. */
export function warnOfVariable(name: string, value: string, rule: string): void {
  if (warned.has(name)) return;
  warned.add(name);
  process.emitWarning(`${name}=${printable(value)} has no effect: ${rule}`, { type: 'BrokerPoolWarning', code: 'BROKER_POOL_ENVIRONMENT' });
}

/** Whether a variable of this package is `0`. Anything but that and `1` is a warning, given in the main thread only: each thread reads it. */
export function isSwitchedOff(name: string): boolean {
  const value = process.env[name];
  if (isMainThread && value !== undefined && !['', '0', '1'].includes(value)) warnOfVariable(name, value, 'only 0 switches it off');
  return value === '0';
}
