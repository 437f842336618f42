import { invalidArgument } from '../errors.js';
import { ownTrust, type EndpointTrust } from '../os/endpoint-trust.js';
import { checkBoolean, rejectUnknownOptions } from '../validation.js';

/** Additional trusted users behind an endpoint, besides the user of this process. */
export interface TrustOptions {
  /**
   * Users besides that of this process who may own sockets and their directories, and run what listens there.
   * Refused on Windows. @default none
   */
  userIds?: readonly number[] | undefined;
  /**
   * Accept sockets in directories where others may create, replace or remove files, such as `/tmp`, in
   * directories that are links, and below such directories: no directory is looked at. Refused on Windows.
   * @default false
   */
  sharedDirectories?: boolean | undefined;
}

const LARGEST_USER_ID = 2 ** 32 - 2;

/**
 * On Windows no check exists that these options could relax: Node does not report the owner of a pipe. A
 * value without effect is refused, or its author would rely on it.
 *
 * @throws `INVALID_ARGUMENT` naming the option
 */
export function checkTrust(
  value: TrustOptions | undefined,
  platform: NodeJS.Platform = process.platform,
): EndpointTrust {
  const own = ownTrust();
  if (value === undefined) return own;
  rejectUnknownOptions('trust', value, ['userIds', 'sharedDirectories']);
  const { userIds = [], sharedDirectories = own.sharedDirectories } = value;
  if (!Array.isArray(userIds) || !userIds.every(isUserId))
    throw invalidArgument('trust.userIds', 'must be an array of user ids, whole numbers from 0');
  checkBoolean('trust.sharedDirectories', sharedDirectories);
  if (platform === 'win32') {
    if (userIds.length > 0) throw withoutEffect('trust.userIds');
    if (sharedDirectories) throw withoutEffect('trust.sharedDirectories');
  }
  return { userIds: [...own.userIds, ...userIds], sharedDirectories };
}

function withoutEffect(option: string) {
  return invalidArgument(
    option,
    'has no effect on Windows, where pipes have neither owners nor directories that could be checked: leave it out there',
  );
}

function isUserId(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_USER_ID;
}
