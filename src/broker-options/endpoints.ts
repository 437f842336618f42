import { invalidArgument } from '../errors.js';
import { PIPE_PREFIX, checkEndpointLength } from '../endpoint.js';
import { optional, readOptions, unchecked, type OptionsOf } from '../option-table.js';
import { checkAbsolutePath, checkCount, checkServiceName, checkUserHash, quoted } from '../validation.js';
import { EnvironmentVariables, type Environment } from './environment.js';
import { shortHash, thisHost, userHash } from './user-hash.js';

export const endpointNameOptions = {
  /** Where `XDG_RUNTIME_DIR` (Linux) or `TMPDIR` (macOS) is looked up. @default process.env */
  env: unchecked<Environment>(() => process.env),
  /**
   * Which system's rules to follow; for another system than this one, give `userHash` too.
   * @default process.platform
   */
  platform: unchecked<NodeJS.Platform>(() => thisHost.platform),
  /** The user's number, part of the path on macOS and of the fallback on Linux. @default the real user id */
  uid: optional((name, value) => checkCount(name, value, { min: 0 })),
  /**
   * The 16 lowercase hex digits that stand for user and machine. @default derived from `uid` and the machine
   * id
   */
  userHash: optional(checkUserHash),
};

/** For which user and system to derive an endpoint; by default for this process's user on this machine. */
export interface EndpointNameOptions extends Readonly<OptionsOf<typeof endpointNameOptions>> {}

const NAME_PREFIX = 'rpb-v1';
const { RUNTIME_DIRECTORY, TEMPORARY_DIRECTORY } = EnvironmentVariables;

/**
 * The endpoint of the user's shared broker, which serves every service. The endpoint need not exist: only the
 * machine id behind `userHash` is read from the file system, once.
 *
 * @throws `INVALID_ARGUMENT`: a bad option, `XDG_RUNTIME_DIR` or `TMPDIR` set to something else than an
 * absolute path, an endpoint too long for a socket address, a machine whose id cannot be read
 */
export function sharedBrokerEndpoint(options: EndpointNameOptions = {}): string {
  return endpointFor('shared', options);
}

/**
 * The endpoint of the broker that serves only `serviceName`.
 *
 * @throws `INVALID_ARGUMENT`: as {@link sharedBrokerEndpoint}; a bad name
 */
export function serviceBrokerEndpoint(serviceName: string, options: EndpointNameOptions = {}): string {
  return endpointFor(`svc-${checkServiceName('serviceName', serviceName)}`, options);
}

/**
 * The endpoint of a broker that was started under a name of its own.
 *
 * @throws `INVALID_ARGUMENT`: as {@link sharedBrokerEndpoint}; a bad name (as for a service)
 */
export function instanceBrokerEndpoint(instanceName: string, options: EndpointNameOptions = {}): string {
  return endpointFor(`inst-${checkServiceName('instanceName', instanceName)}`, options);
}

/** The form of N-03. `userHash` reads the machine id, nothing else is looked up (N-08). */
function endpointFor(role: string, options: EndpointNameOptions): string {
  const { env, platform, uid, userHash: givenHash } = readOptions(endpointNameOptions, options);
  const leaf = `${NAME_PREFIX}-${givenHash ?? ownUserHash(uid, platform)}-${role}`;
  const endpoint = endpointOf(leaf, platform, env, uid);
  checkEndpointLength('derived endpoint', endpoint, platform);
  return endpoint;
}

function ownUserHash(uid: number | undefined, platform: NodeJS.Platform): string {
  if (platform === thisHost.platform) return userHash(uid);
  throw invalidArgument('userHash', `must be given: this machine's is not one of ${platform}`);
}

function endpointOf(
  leaf: string,
  platform: NodeJS.Platform,
  env: Environment,
  uid: number | undefined,
): string {
  switch (platform) {
    case 'linux':
      return `${linuxDirectory(env, uid)}/${leaf}.sock`;
    case 'darwin':
      // The leaf is hashed: macOS's own TMPDIR takes half of the 103 bytes a socket path may have.
      return `${macDirectory(env, uid)}/${shortHash(leaf)}.sock`;
    case 'win32':
      return PIPE_PREFIX + leaf;
    default:
      throw invalidArgument(
        'platform',
        `has no derived endpoints: ${quoted(platform)}; name the endpoint itself`,
      );
  }
}

function macDirectory(env: Environment, uid: number | undefined): string {
  return below(directoryFrom(env, TEMPORARY_DIRECTORY) ?? '/tmp', `.rp-${pathUid(uid)}`);
}

function linuxDirectory(env: Environment, uid: number | undefined): string {
  const runtimeDirectory = directoryFrom(env, RUNTIME_DIRECTORY);
  if (runtimeDirectory === undefined) return `/tmp/running-process-${pathUid(uid)}/broker`;
  return below(runtimeDirectory, 'running-process/broker');
}

/**
 * The Rust client and the broker use a relative value, the empty one included, as it is (N-04). The endpoint
 * is then another one after each `chdir`, and a directory where others may write can lead to a stranger's
 * broker. To treat it as unset would lead to another broker than the one that has the same environment. So it
 * is refused.
 */
function directoryFrom(
  env: Environment,
  variable: typeof RUNTIME_DIRECTORY | typeof TEMPORARY_DIRECTORY,
): string | undefined {
  const directory = env[variable];
  return directory === undefined
    ? undefined
    : checkAbsolutePath(`the environment variable ${variable}`, directory, 'linux');
}

/** Joins without tidying up: both sides must arrive at the same bytes, so `..` and double slashes stay. */
function below(directory: string, path: string): string {
  return directory.endsWith('/') ? directory + path : `${directory}/${path}`;
}

function pathUid(uid: number | undefined): number {
  const user = uid ?? thisHost.uid;
  if (user === undefined) throw invalidArgument('uid', 'must be given: this host has no user ids');
  return user;
}
