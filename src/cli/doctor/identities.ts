import { readdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BrokerPoolError, printable, printableEndpoint, textOf } from '../../errors.js';
import { dialTrusted } from '../../frames/sources/endpoint-source.js';
import { systemClock } from '../../clock.js';
import { probe } from '../../identity/probe.js';
import { readIdentity } from '../../identity/read-identity.js';
import { verifyProcess } from '../../identity/verify-process.js';
import { systemCode } from '../../os/errno.js';
import { look } from '../../os/trusted-file.js';
import { checkTrust } from '../../trust-option.js';
import type { DaemonProcess } from '../../wire/messages.js';
import type { Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';

const UNSOUND = "see the backend's log: its process lives, and does not answer as it should";
const SUFFIX = '.identity.json';
const OTHERS_WRITE = 0o022;

/** Checks the identity files of backends that clients find without a broker, and probes each backend. */
export async function checkIdentities(examination: Examination): Promise<Finding[]> {
  const { identityFiles } = examination;
  const directory = identityDirectory(examination);
  const usual = namesIn(directory)
    .filter((name) => isWanted(name, examination))
    .map((name) => join(directory, name))
    .filter((path) => !identityFiles.includes(path));
  const findings: Finding[] = [];
  for (const path of identityFiles) findings.push(...(await checkIdentity(path, true, examination)));
  for (const path of usual) findings.push(...(await checkIdentity(path, false, examination)));
  return findings;
}

/** Where services write their identity files unless they are told otherwise (S-81). */
function identityDirectory({ env, platform }: Examination): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  if (platform === 'linux' && runtime !== undefined) return join(runtime, 'running-process', 'services');
  const data = join(homedir(), platform === 'darwin' ? 'Library/Application Support' : '.local/share');
  return join(look(data) === undefined ? tmpdir() : data, 'running-process', 'services');
}

function isWanted(name: string, { serviceName }: Examination): boolean {
  return name.endsWith(SUFFIX) && (serviceName === undefined || name === serviceName + SUFFIX);
}

async function checkIdentity(path: string, isNamed: boolean, examination: Examination): Promise<Finding[]> {
  const subject = printable(isNamed ? path : basename(path, SUFFIX));
  // A service that was killed leaves its file, which its clients pass over. A named file should be good.
  let verdict = failure;
  try {
    const identity = readIdentity(path);
    if (!isNamed) verdict = warning;
    await verifyProcess(identity);
    verdict = failure;
    const endpoint = await askProcess(identity, examination);
    return [checkAccess(subject, path) ?? ok(subject, `process ${identity.pid} answers at ${endpoint}`)];
  } catch (error) {
    return [verdict(subject, textOf(error), adviceFor(error, path))];
  }
}

/** Probes the process of an identity. Returns where it has answered, in a form to show. */
async function askProcess(identity: DaemonProcess, examination: Examination): Promise<string> {
  const { limitMs, trust, signal = new AbortController().signal } = examination;
  const { path = '' } = identity.ipcEndpoint ?? {};
  const deadlineMs = systemClock.now() + limitMs;
  const socket = await dialTrusted(path, checkTrust('trust', trust), signal, limitMs);
  try {
    await probe(socket, identity, { deadlineMs, timeoutMs: limitMs, signal });
  } finally {
    socket.on('error', () => {}).destroy();
  }
  return printableEndpoint(path);
}

/** A user who can replace the file decides where clients connect, as far as the probe lets them. */
function checkAccess(subject: string, path: string): Finding | undefined {
  for (const each of [path, dirname(path)]) {
    const stats = look(each);
    if (stats !== undefined && !stats.isSymbolicLink() && (stats.mode & OTHERS_WRITE) !== 0)
      return warning(subject, `others may write to ${printable(each)}`, `chmod go-w ${printable(each)}`);
  }
  return undefined;
}

function adviceFor(error: unknown, path: string): string {
  if (!(error instanceof BrokerPoolError)) return UNSOUND;
  const { code, cause } = error;
  if (code === 'IDENTITY_MISMATCH')
    return `restart the service, or remove ${printable(path)} if it has ended for good`;
  if (code === 'IDENTITY_FILE')
    return systemCode(cause) === 'ENOENT'
      ? 'start the service, or correct the path'
      : `remove ${printable(path)}, and restart the service`;
  if (code === 'BACKEND_CONNECT') return 'restart the service: its process lives, and does not listen there';
  return UNSOUND;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}
