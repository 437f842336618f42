import { debuglog } from 'node:util';

const log = debuglog('broker-pool');

/** Whether `NODE_DEBUG` names `broker-pool`. */
export const isDebugging: boolean = log.enabled;

/**
 * Writes a line to stderr where `NODE_DEBUG` names `broker-pool`. The line is made only then. It must not hold a
 * token, and text of a peer goes through `printable` first.
 */
export function debug(line: () => string): void {
  if (isDebugging) log(line());
}
