import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { isShortage } from './errno.js';

/**
 * Whether the system has so many descriptors left for this process. Node does not survive a shortage
 * everywhere: it loses a descriptor with a thread that it cannot start, and remembers a package as missing
 * whose files it could not open.
 */
export function hasFreeDescriptors(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, 'r'));
    return true;
  } catch (error) {
    // The permission model may forbid to open it.
    return !(
      error instanceof Error &&
      'code' in error &&
      typeof error.code === 'string' &&
      isShortage({ code: error.code })
    );
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
