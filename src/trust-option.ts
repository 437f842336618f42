import { invalidArgument } from './errors.js';
import { flag, option, readOptions, type OptionsOf } from './option-table.js';
import { ownTrust, type EndpointTrust } from './os/endpoint-trust.js';

export const trustOptions = {
  /**
   * Users besides that of this process who may own sockets and their directories, and run the program that
   * listens there. Refused on Windows. @default none
   */
  userIds: option<readonly number[]>(checkUserIds, []),
  /**
   * Accept sockets in directories where others may create, replace or remove files, such as `/tmp`, in
   * directories that are links, and below such directories: no directory is looked at. Refused on Windows.
   * @default false
   */
  sharedDirectories: flag(),
};

/** Additional trusted users and directories of endpoints. */
export interface TrustOptions extends OptionsOf<typeof trustOptions> {}

const LARGEST_USER_ID = 2 ** 32 - 2;

/**
 * On Windows nothing is checked that these options could relax: a pipe has no owner that Node tells. A value
 * without effect is refused, for its author would rely on it.
 *
 * @throws `INVALID_ARGUMENT` that begins with the name of the option
 */
export function checkTrust(
  name: string,
  value: unknown,
  platform: NodeJS.Platform = process.platform,
): EndpointTrust {
  const { userIds, sharedDirectories } = readOptions(trustOptions, value, name);
  if (platform === 'win32') {
    if (userIds.length > 0) throw withoutEffect(`${name}.userIds`);
    if (sharedDirectories) throw withoutEffect(`${name}.sharedDirectories`);
  }
  return { userIds: [...ownTrust().userIds, ...userIds], sharedDirectories };
}

function withoutEffect(name: string) {
  return invalidArgument(
    name,
    'has no effect on Windows, where pipes have neither owners nor directories to check: leave it out there',
  );
}

function checkUserIds(name: string, value: unknown): readonly number[] {
  if (Array.isArray(value) && value.every(isUserId)) return value;
  throw invalidArgument(name, 'must be an array of user ids, whole numbers from 0');
}

function isUserId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_USER_ID;
}
