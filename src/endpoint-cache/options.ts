import { count, duration, optional, required, type OptionsOf, type SettingsOf } from '../option-table.js';
import { checkAbsolutePath } from '../validation.js';

export const endpointCacheOptions = {
  /** Endpoints kept at most, in memory and in the file. @default 256 */
  max: count(256, { min: 1 }),
  /** How long an endpoint is believed, in milliseconds; 0 means until it fails. @default 0 */
  ttlMs: duration(0, { allowZero: true }),
  /**
   * Absolute path of a file that keeps the endpoints for other processes of the same user, so that their
   * first connect skips the Hello too. Its directory must exist and be private to the user. Trouble with the
   * file is a `BrokerPoolWarning`, never an error. @default none: endpoints are forgotten with the pool
   */
  file: optional((name, value) => checkAbsolutePath(name, value)),
};

/** How a pool remembers the endpoints of backends. */
export interface EndpointCacheOptions extends SettingsOf<typeof endpointCacheOptions> {}

export const endpointFileOptions = {
  ...endpointCacheOptions,
  /** Absolute path of the file, which pools may use too. Its directory must exist and be private to the user. */
  file: required((name, value) => checkAbsolutePath(name, value)),
};

/** The file in which calls that connect once remember the endpoints of backends. */
export interface EndpointFileOptions extends Readonly<OptionsOf<typeof endpointFileOptions>> {}
