import { checkCount, rejectUnknownOptions } from '../../validation.js';

/** How often a connect is tried. */
export interface RetryOptions {
  /** Attempts of one connect at most, the first included. Failures that are final are not tried again. @default as for `retry` */
  attempts?: number | undefined;
}

/** The most attempts of one connect; `undefined` for the default of each failure. Throws `INVALID_ARGUMENT` naming the option. */
export function checkRetry(value: RetryOptions | false | undefined): number | undefined {
  if (value === false) return 1;
  if (value === undefined) return undefined;
  rejectUnknownOptions('retry', value, ['attempts']);
  return value.attempts === undefined ? undefined : checkCount('retry.attempts', value.attempts, { min: 1, allowInfinity: true });
}
