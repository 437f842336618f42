import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { blake3 } from '@noble/hashes/blake3.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { checkAbsolutePath } from '../validation.js';

/** The source of the identity of user and machine: the real host, or a made-up one in tests. */
export interface HostIdentitySource {
  readonly platform: NodeJS.Platform;
  /** The real user id; missing where there is none (Windows). */
  readonly uid: number | undefined;
  /** Returns the file's text; throws errors that carry an errno name in `code`. */
  readTextFile(path: string): string;
  /** Returns the output of the command; throws when it fails or takes too long. */
  runCommand(file: string, parameters: readonly string[]): string;
}

const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const COMMAND_LIMIT_MS = 5_000;
const HASH_BYTES = 8;

/** The machine this process runs on. */
export const thisHost: HostIdentitySource = {
  platform: process.platform,
  uid: process.getuid?.(),
  readTextFile: (path) => readFileSync(path, 'utf8'),
  runCommand: (file, parameters) =>
    execFileSync(file, parameters, {
      encoding: 'utf8',
      timeout: COMMAND_LIMIT_MS,
      windowsHide: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
};

/** The part that never changes in a process: the machine id, or on Windows the user's SID in hex. */
const fixedParts = new WeakMap<HostIdentitySource, string>();
/** Nearly every call asks for the same user. */
let lastHash: { readonly identity: string; readonly hash: string } | undefined;

/**
 * The 16 lowercase hex digits that stand for this user on this machine in every derived endpoint (N-01).
 * The first call reads the machine id: a file on Linux; on macOS and Windows it runs a system command and
 * blocks for that long, 5 s at the most. Later calls use the result of the first.
 *
 * @param uid the user's number, by default the real (not the effective) one; of no effect on Windows
 * @throws `INVALID_ARGUMENT` where the identity cannot be found out, with the reason as `cause`
 */
export function userHash(uid?: number, host: HostIdentitySource = thisHost): string {
  const identity = userIdentity(uid, host);
  if (lastHash?.identity !== identity) lastHash = { identity, hash: shortHash(identity) };
  return lastHash.hash;
}

/** The first 8 bytes of the text's BLAKE3 in lowercase hex, the form in which hashes appear in names. */
export function shortHash(text: string): string {
  return Buffer.from(blake3(Buffer.from(text)).subarray(0, HASH_BYTES)).toString('hex');
}

function userIdentity(uid: number | undefined, host: HostIdentitySource): string {
  let fixed = fixedParts.get(host);
  if (fixed === undefined) {
    fixed = readFixedPart(host);
    fixedParts.set(host, fixed);
  }
  if (host.platform === 'win32') return `windows-sid:${fixed}`;
  const user = uid ?? host.uid;
  if (user === undefined) throw invalidArgument('uid', 'must be given: this host has no user ids');
  return `${user}:${fixed}`;
}

function readFixedPart(host: HostIdentitySource): string {
  switch (host.platform) {
    case 'linux':
      return linuxMachineId(host);
    case 'darwin':
      return macPlatformUuid(host);
    case 'win32':
      return windowsSid(host);
    default:
      throw underivable(`there is no rule for ${host.platform}`);
  }
}

/**
 * Only a *missing* file (or an empty one) leads on to the next source. Another process of the same user may
 * be able to read a file that this one cannot, and the two would look for the broker in different places.
 */
function linuxMachineId(host: HostIdentitySource): string {
  for (const file of MACHINE_ID_FILES) {
    const id = readIfThere(host, file);
    if (id) return id;
  }
  // The same for all processes until the next boot, which is as long as a broker can live.
  const bootId = readIfThere(host, BOOT_ID_FILE);
  if (bootId) return `boot:${bootId}`;
  throw underivable(`none of ${[...MACHINE_ID_FILES, BOOT_ID_FILE].join(', ')} holds an id`);
}

function readIfThere(host: HostIdentitySource, file: string): string | undefined {
  try {
    return host.readTextFile(file).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw underivable(`cannot read ${file}`, error);
  }
}

function macPlatformUuid(host: HostIdentitySource): string {
  const printed = run(host, '/usr/sbin/ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice']);
  const uuid = /"IOPlatformUUID"\s*=\s*"([^"]+)"/.exec(printed)?.[1];
  if (uuid === undefined) throw underivable('ioreg printed no IOPlatformUUID');
  return uuid;
}

/** The SID's raw bytes are hashed, not its text, of which upstream's comments speak (N-02). */
function windowsSid(host: HostIdentitySource): string {
  // By its full path: other programs called whoami (Git for Windows has one) know no /user.
  const root = checkAbsolutePath(
    'the environment variable SystemRoot',
    process.env['SystemRoot'] ?? 'C:\\Windows',
    'win32',
  );
  const whoami = `${root}\\System32\\whoami.exe`;
  const printed = run(host, whoami, ['/user', '/fo', 'csv', '/nh']);
  const sid = /"(S-1-[^"]+)"\s*$/.exec(printed)?.[1];
  const bytes = sid === undefined ? undefined : sidBytes(sid);
  if (bytes === undefined) throw underivable('whoami printed no user SID');
  return bytes.toString('hex');
}

/**
 * The binary form of a textual SID: revision, number of sub-authorities, a 6-byte big-endian authority
 * (written in hex when it needs more than 32 bits), then each sub-authority as 4 little-endian bytes.
 */
function sidBytes(sid: string): Buffer | undefined {
  const parts = /^S-1-(\d{1,10}|0x[0-9a-f]{1,12})((?:-\d{1,10}){1,15})$/i.exec(sid);
  if (parts === null) return undefined;
  const subAuthorities = parts[2]!.slice(1).split('-').map(Number);
  if (subAuthorities.some((part) => part > 0xffff_ffff)) return undefined;
  const bytes = Buffer.alloc(8 + 4 * subAuthorities.length);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(subAuthorities.length, 1);
  bytes.writeUIntBE(Number(parts[1]), 2, 6);
  for (const [index, part] of subAuthorities.entries()) bytes.writeUInt32LE(part, 8 + 4 * index);
  return bytes;
}

function run(host: HostIdentitySource, file: string, parameters: readonly string[]): string {
  try {
    return host.runCommand(file, parameters);
  } catch (error) {
    throw underivable(`${file} failed`, error);
  }
}

function underivable(reason: string, cause?: unknown): BrokerPoolError {
  const told = cause instanceof Error ? `${reason}: ${cause.message}` : reason;
  const advice = 'pass a userHash, or an endpoint instead of a derived one';
  const message = `userHash cannot be derived from this machine (${told}); ${advice}`;
  return new BrokerPoolError('INVALID_ARGUMENT', message, { cause });
}
