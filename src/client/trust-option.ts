import { invalidArgument } from '../errors.js';
import { ownTrust, type EndpointTrust } from '../os/endpoint-trust.js';
import { checkBoolean, rejectUnknownOptions } from '../validation.js';

/** Whom else than yourself to trust behind an endpoint. */
export interface TrustOptions {
  /** Users besides that of this process who may own sockets and their directories, and run what listens there. @default none */
  userIds?: readonly number[] | undefined;
  /**
   * Accept sockets in directories where others may create, replace or remove files, such as `/tmp`, in directories that are links, and below
   * such directories: no directory is looked at. @default false
   */
  sharedDirectories?: boolean | undefined;
}

const LARGEST_USER_ID = 2 ** 32 - 2;

/** @throws `INVALID_ARGUMENT` naming the option */
export function checkTrust(value: TrustOptions | undefined): EndpointTrust {
  const own = ownTrust();
  if (value === undefined) return own;
  rejectUnknownOptions('trust', value, ['userIds', 'sharedDirectories']);
  const { userIds = [], sharedDirectories = own.sharedDirectories } = value;
  if (!Array.isArray(userIds) || !userIds.every(isUserId)) throw invalidArgument('trust.userIds', 'must be an array of user ids, whole numbers from 0');
  return { userIds: [...own.userIds, ...userIds], sharedDirectories: checkBoolean('trust.sharedDirectories', sharedDirectories) };
}

function isUserId(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_USER_ID;
}
