import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BrokerPoolError, invalidArgument, textOf } from '../../errors.js';
import {
  converted,
  derived,
  option,
  optional,
  readOptions,
  required,
  type OptionsOf,
} from '../../option-table.js';
import { warnProcess } from '../../process-warning.js';
import {
  checkAbsolutePath,
  checkName,
  checkObject,
  checkServiceName,
  checkString,
  checkVersion,
} from '../../validation.js';
import { BrokerIsolation, encodeServiceDefinition } from '../../wire/messages.js';
import { storeHashBeside } from '../../identity/hash-cache.js';
import { replaceFile } from '../../os/replace-file.js';
import { definitionDirectory, makePrivateDirectory } from './definition-directory.js';
import { checkBinary, checkBinaryDirectory } from './launchable-binary.js';

const ISOLATIONS = {
  private: BrokerIsolation.PRIVATE_BROKER,
  shared: BrokerIsolation.SHARED_BROKER,
  explicit: BrokerIsolation.EXPLICIT_INSTANCE,
} as const;
type Isolation = keyof typeof ISOLATIONS;
const ISOLATION_NAMES: readonly Isolation[] = ['private', 'shared', 'explicit'];

export const definitionOptions = {
  /** 1 to 64 characters of `a-z`, `0-9` and `-`. */
  serviceName: required(checkServiceName),
  /** Absolute path of the executable to launch: an image of this system, not a script. */
  binaryPath: required((name, value) => checkAbsolutePath(name, value)),
  /** Absolute path of a directory that contains the executable. @default that in which it lies */
  perVersionBinaryDir: optional((name, value) => checkAbsolutePath(name, value)),
  /** Which broker serves it: `shared`, `private` to the service, or an `explicit` instance. @default 'shared' */
  isolation: option<Isolation>((name, value) => checkName(name, value, ISOLATION_NAMES), 'shared'),
  /** The name of the instance with `explicit`. @default none */
  explicitInstance: optional(checkServiceName),
  /** Clients that want a lower version are refused. @default none */
  minVersion: optional(checkVersion),
  /** Clients that want another version are refused. @default any version is allowed */
  versionAllowList: converted<readonly string[], readonly string[]>(checkVersions, () => []),
  /** Texts by name, of no effect. @default none */
  labels: converted<Readonly<Record<string, string>>, Record<string, string>>(checkLabels, () => ({})),
  /** The directory of definitions, as in the broker's `--service-def-dir`. @default where brokers look */
  directory: derived((name, value) => checkAbsolutePath(name, value), definitionDirectory),
};

/** Options of {@link installServiceDefinition}. */
export interface ServiceDefinitionOptions extends Readonly<OptionsOf<typeof definitionOptions>> {}

/** Where {@link installServiceDefinition} has written. */
export interface InstalledDefinition {
  /** The definition's file. */
  readonly path: string;
  /** The real path of the executable that brokers will launch. */
  readonly binaryPath: string;
  /** A definition of version 2 that brokers prefer to this one; also a process warning. */
  readonly overriddenBy: string | undefined;
}

/**
 * Lets brokers launch an executable as the backend of a service: writes `<service>.servicedef` into the directory
 * in which they look, which is made with mode 0700. A broker that reads meanwhile sees the old definition or the
 * new. Keeps the hash of the executable beside it, so that its first launch need not compute it. Not for Windows.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for what brokers would refuse; `DEFINITION_NOT_WRITTEN` with the
 * system's error as the cause
 */
export async function installServiceDefinition(
  options: ServiceDefinitionOptions,
): Promise<InstalledDefinition> {
  const settings = readOptions(definitionOptions, options);
  const { directory, explicitInstance, isolation, labels, minVersion, serviceName, versionAllowList } =
    settings;
  if (process.platform === 'win32')
    throw new BrokerPoolError('DEFINITION_NOT_WRITTEN', 'service definitions are not written on Windows');
  // D-04, D-20: a broker refuses one without the other when it loads the definition.
  if ((isolation === 'explicit') !== (explicitInstance !== undefined))
    throw invalidArgument('explicitInstance', "and isolation 'explicit' go together");
  const binaryPath = checkBinary('binaryPath', settings.binaryPath);
  const perVersionBinaryDir = checkBinaryDirectory(
    'perVersionBinaryDir',
    settings.perVersionBinaryDir ?? dirname(binaryPath),
    binaryPath,
  );
  const definition = encodeServiceDefinition({
    serviceName,
    binaryPath,
    isolation: ISOLATIONS[isolation],
    explicitInstance: explicitInstance ?? '',
    perVersionBinaryDir,
    minVersion: minVersion ?? '',
    versionAllowList: [...versionAllowList],
    labels,
  });
  const path = join(directory, `${serviceName}.servicedef`);
  await writeDefinition(path, definition, directory, binaryPath);
  return { path, binaryPath, overriddenBy: overridingFile(path) };
}

async function writeDefinition(
  path: string,
  definition: Uint8Array,
  directory: string,
  binaryPath: string,
): Promise<void> {
  try {
    makePrivateDirectory('directory', directory);
    // First the hash: a broker may launch as soon as the definition is there.
    await storeHashBeside(binaryPath);
    // D-22: in one step, unlike upstream's writer: a broker may read at any moment.
    replaceFile(path, definition, 0o600);
  } catch (error) {
    if (error instanceof BrokerPoolError) throw error;
    const reason = textOf(error);
    const advice = 'Give another directory, or see why this user cannot write there.';
    throw new BrokerPoolError('DEFINITION_NOT_WRITTEN', `${path} cannot be written: ${reason}. ${advice}`, {
      cause: error,
    });
  }
}

/** D-23: brokers look for it first, and check less of it. */
function overridingFile(path: string): string | undefined {
  const other = `${path}.v2`;
  if (!existsSync(other)) return undefined;
  warnProcess('BROKER_POOL_DEFINITION_OVERRIDDEN', `brokers read ${other} instead of ${path}: remove it`);
  return other;
}

function checkVersions(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalidArgument(name, 'must be an array of versions');
  return value.map((version, index) => checkVersion(`${name}[${index}]`, version));
}

function checkLabels(name: string, value: unknown): Record<string, string> {
  checkObject(name, value);
  const labels: [string, unknown][] = Object.entries(value);
  return Object.fromEntries(labels.map(([label, text]) => [label, checkString(`${name}.${label}`, text)]));
}
