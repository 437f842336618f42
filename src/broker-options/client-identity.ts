import { count, option, type Option, type OptionsOf } from '../option-table.js';
import { checkText } from '../validation.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';

/** A broker refuses longer texts (V-52). */
const text = (fallback: string, maxBytes: number): Option<string> =>
  option((name, value) => checkText(name, value, maxBytes), fallback);

export const identityOptions = {
  /** The version of the calling program, for the broker's log; at most 128 bytes. @default '' */
  clientVersion: text('', 128),
  /** The library that speaks to the broker, for its log; at most 64 bytes. @default 'broker-pool' */
  clientLibName: text(LIBRARY_NAME, 64),
  /** The version of that library, for the broker's log; at most 64 bytes. @default this package's version */
  clientLibVersion: text(LIBRARY_VERSION, 64),
  /**
   * The keepalive interval that the Hello suggests, in seconds. Brokers repeat it in their answer and do
   * nothing else with it. @default 0
   */
  clientKeepaliveSecs: count(0, { min: 0 }),
};

/**
 * Fields of the Hello by which a client describes itself, beside service, version and process id. Brokers log
 * them and base no decision on them.
 */
export interface ClientIdentityOptions extends OptionsOf<typeof identityOptions> {}
