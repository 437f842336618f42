import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { definitionDirectory } from '../../backend/definition/definition-directory.js';
import { checkBinary, checkBinaryDirectory } from '../../backend/definition/launchable-binary.js';
import { invalidArgument, printable, textOf } from '../../errors.js';
import { ANY_OTHER, look } from '../../os/trusted-file.js';
import { checkAbsolutePath, checkServiceName, checkVersion } from '../../validation.js';
import { BrokerIsolation, decodeServiceDefinition, type ServiceDefinition } from '../../wire/messages.js';
import type { Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';
import { isBelow } from './versions.js';

const SUFFIX = '.servicedef';
const INSTALL = 'write it with installServiceDefinition of broker-pool/backend';
const PERMISSIONS = 0o777;
const LONGEST_FILE_BYTES = 1024 * 1024;

/** Checks the definitions by which a broker launches backends, as far as a broker would (D-04, L-02, L-08). */
export function checkDefinitions(examination: Examination): Finding[] {
  const directory = directoryOf(examination);
  if (directory === undefined) return [];
  const { serviceName } = examination;
  const stats = look(directory);
  const subject = printable(directory);
  if (stats === undefined) return [warning(subject, 'is not there: a broker can launch no backend', INSTALL)];
  if (!stats.isDirectory()) return [failure(subject, 'is no directory', 'put a directory in its place')];
  const findings = checkAccess(directory);
  const names = namesIn(directory);
  if (names === undefined) return [...findings, failure(subject, 'cannot be listed', `chmod 700 ${subject}`)];
  const files = names.filter((name) => name.endsWith(SUFFIX));
  const wanted = serviceName === undefined ? files : files.filter((name) => name === serviceName + SUFFIX);
  if (serviceName !== undefined && wanted.length === 0)
    findings.push(
      warning(
        serviceName,
        `has no definition in ${subject}: a broker can launch no backend for it`,
        `${INSTALL}, or start the backend yourself and register it`,
      ),
    );
  for (const name of wanted) findings.push(...checkDefinition(join(directory, name), examination));
  return findings.length > 0 ? findings : [ok(subject, 'is private and has no definitions')];
}

function directoryOf({ definitionDirectory: given, env, platform }: Examination): string | undefined {
  // D-21: on Windows they lie elsewhere, and access lists guard them.
  if (platform === 'win32') return undefined;
  try {
    return given ?? definitionDirectory(env);
  } catch {
    // A finding about the environment.
    return undefined;
  }
}

/** D-03: brokers read definitions only from a directory of their own user that is closed to others. */
function checkAccess(directory: string): Finding[] {
  const { mode, uid } = lstatSync(directory);
  const subject = printable(directory);
  if ((mode & ANY_OTHER) !== 0)
    return [
      failure(
        subject,
        `has mode ${(mode & PERMISSIONS).toString(8)}, and brokers refuse each definition in it`,
        `chmod 700 ${subject}`,
      ),
    ];
  const user = process.geteuid?.();
  if (user !== undefined && uid !== user)
    return [failure(subject, `belongs to user ${uid}`, 'make it a directory of your own')];
  return [];
}

function checkDefinition(path: string, examination: Examination): Finding[] {
  const name = basename(path, SUFFIX);
  const findings: Finding[] = [];
  // D-23: brokers look for this file first.
  if (look(`${path}.v2`) !== undefined)
    findings.push(
      warning(
        printable(name),
        `is overridden: brokers read ${printable(path)}.v2`,
        'remove the file that is out of date',
      ),
    );
  try {
    const definition = read(path);
    const binary = checkContent(name, definition);
    const wanted = checkWanted(name, definition, examination);
    findings.push(wanted ?? ok(printable(name), `launches ${printable(binary)}`));
  } catch (error) {
    findings.push(failure(printable(name), `${printable(path)}: ${textOf(error)}`, INSTALL));
  }
  return findings;
}

function read(path: string): ServiceDefinition {
  const { size } = lstatSync(path);
  if (size > LONGEST_FILE_BYTES) throw new Error('it is far too long for a definition');
  const bytes = readFileSync(path);
  try {
    return decodeServiceDefinition(bytes);
  } catch (error) {
    const isText = /^\s*[{[\w"]/.test(bytes.toString('latin1', 0, 16)) && bytes[0] !== 0x0a;
    const form = isText ? 'it is text; brokers read protobuf' : textOf(error);
    throw new Error(`it is no ServiceDefinition: ${form}`, { cause: error });
  }
}

/** The real path of the executable. Throws what a broker would refuse, in the order of D-04. */
function checkContent(name: string, definition: ServiceDefinition): string {
  const { serviceName, binaryPath, perVersionBinaryDir, minVersion, versionAllowList } = definition;
  checkServiceName('service_name', serviceName);
  if (serviceName !== name)
    throw invalidArgument('service_name', `is ${printable(serviceName)}, not the name of the file`);
  checkAbsolutePath('binary_path', binaryPath);
  if (perVersionBinaryDir === '')
    throw invalidArgument('per_version_binary_dir', 'is empty: it loads, but cannot be launched');
  checkAbsolutePath('per_version_binary_dir', perVersionBinaryDir);
  if (minVersion !== '') checkVersion('min_version', minVersion);
  for (const version of versionAllowList) checkVersion('version_allow_list', version);
  checkIsolation(definition);
  const binary = checkBinary('binary_path', binaryPath);
  checkBinaryDirectory('per_version_binary_dir', perVersionBinaryDir, binary);
  return binary;
}

function checkIsolation({ isolation, explicitInstance }: ServiceDefinition): void {
  const known: readonly number[] = Object.values(BrokerIsolation);
  if (!known.includes(isolation)) throw invalidArgument('isolation', `is ${isolation}, which brokers refuse`);
  if (isolation === BrokerIsolation.EXPLICIT_INSTANCE)
    checkServiceName('explicit_instance', explicitInstance);
  else if (explicitInstance !== '')
    throw invalidArgument('explicit_instance', 'must be empty with this isolation');
}

/** Whether the version that the caller wants would be refused (V-55, V-56). */
function checkWanted(
  name: string,
  { minVersion, versionAllowList }: ServiceDefinition,
  { serviceName, wantedVersion }: Examination,
): Finding | undefined {
  if (serviceName === undefined || wantedVersion === undefined) return undefined;
  if (minVersion !== '' && isBelow(wantedVersion, minVersion))
    return failure(
      name,
      `version ${wantedVersion} is below min_version ${minVersion}`,
      'ask for a later version, or lower min_version',
    );
  if (versionAllowList.length > 0 && !versionAllowList.includes(wantedVersion))
    return failure(
      name,
      `version ${wantedVersion} is not in version_allow_list: ${printable(versionAllowList.join(', '))}`,
      'ask for one of them, or add this one',
    );
  return undefined;
}

function namesIn(directory: string): string[] | undefined {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return undefined;
  }
}
