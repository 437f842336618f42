import { checkCount, checkText } from '../validation.js';

/**
 * Fields of the Hello by which a client describes itself, beside service, version and process id. Brokers log
 * them and base no decision on them.
 */
export interface ClientIdentityOptions {
  /** The version of the calling program, at most 128 bytes. @default '' */
  clientVersion?: string | undefined;
  /** At most 64 bytes. @default 'broker-pool' */
  clientLibName?: string | undefined;
  /** At most 64 bytes. @default this package's version */
  clientLibVersion?: string | undefined;
  /**
   * The keepalive interval to suggest to the broker, in seconds; advisory, nothing is sent by it. @default 0
   */
  clientKeepaliveSecs?: number | undefined;
}

/** Checked options; the Hello fills in the defaults. */
export interface ClientIdentity {
  readonly clientVersion: string | undefined;
  readonly clientLibName: string | undefined;
  readonly clientLibVersion: string | undefined;
  readonly clientKeepaliveSecs: number | undefined;
}

export const CLIENT_IDENTITY_OPTION_NAMES = [
  'clientVersion',
  'clientLibName',
  'clientLibVersion',
  'clientKeepaliveSecs',
] as const satisfies readonly (keyof ClientIdentityOptions)[];

/**
 * A broker refuses longer texts (V-52).
 *
 * @throws `INVALID_ARGUMENT` naming the option
 */
export function checkClientIdentity({
  clientVersion,
  clientLibName,
  clientLibVersion,
  clientKeepaliveSecs,
}: ClientIdentityOptions): ClientIdentity {
  return {
    clientVersion: clientVersion === undefined ? undefined : checkText('clientVersion', clientVersion, 128),
    clientLibName: clientLibName === undefined ? undefined : checkText('clientLibName', clientLibName, 64),
    clientLibVersion:
      clientLibVersion === undefined ? undefined : checkText('clientLibVersion', clientLibVersion, 64),
    clientKeepaliveSecs:
      clientKeepaliveSecs === undefined
        ? undefined
        : checkCount('clientKeepaliveSecs', clientKeepaliveSecs, { min: 0 }),
  };
}
