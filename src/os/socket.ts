import { invalidArgument } from '../errors.js';
import { AF_UNIX } from './abi.js';
import { errno, printableEndpoint } from './errno.js';
import type { SystemCalls } from './native.js';

/** `sun_path` is the rest of `sockaddr_un` behind the two-byte family. */
const FAMILY_BYTES = 2;
/** Room for a name in `sun_path`, on Linux. */
const LINUX_NAME_BYTES = 108;

/**
 * An endpoint as a `sockaddr_un`.
 *
 * Layout on Linux: family (2 bytes, host order), then the path with its closing NUL, or the abstract name
 * beginning with NUL and without a closing one (its length says where it ends). On macOS and the BSDs the
 * first byte is the length of the whole address and the second the family.
 *
 * Throws `INVALID_ARGUMENT` where the platform has no such address.
 */
export function encodeAddress(endpoint: string, platform: NodeJS.Platform = process.platform): Uint8Array {
  const name = Buffer.from(endpoint, 'utf8');
  const abstract = name[0] === 0;
  if (abstract && platform !== 'linux') {
    throw invalidArgument(
      'endpoint',
      `is an abstract name, which only Linux has: "${printableEndpoint(endpoint)}"`,
    );
  }
  const address = Buffer.alloc(FAMILY_BYTES + name.length + (abstract ? 0 : 1));
  if (platform === 'linux') {
    address.set(new Uint8Array(new Uint16Array([AF_UNIX]).buffer), 0);
  } else {
    address[0] = address.length;
    address[1] = AF_UNIX;
  }
  name.copy(address, FAMILY_BYTES);
  return address;
}

/**
 * A service talks to a handful of endpoints; a program that dials thousands of names must not keep them all,
 * nor any that no system takes.
 */
const MOST_REMEMBERED = 64;
const LONGEST_REMEMBERED_BYTES = 128;
const remembered = new Map<string, Uint8Array>();

/**
 * {@link encodeAddress} for this platform, remembered: between a broker's reply and the next connect every
 * microsecond counts.
 */
export function addressOf(endpoint: string): Uint8Array {
  let address = remembered.get(endpoint);
  if (address === undefined) {
    address = encodeAddress(endpoint);
    if (address.length > LONGEST_REMEMBERED_BYTES) return address;
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(endpoint, address);
  }
  return address;
}

/**
 * Connects a socket. Where nobody has an abstract name, somebody may have it filled up with NULs: so Node 20
 * names its listeners, and to the kernel that is another name. Results are as in {@link SystemCalls}.
 */
export function connectTo(system: SystemCalls, descriptor: number, endpoint: string): number {
  const connected = system.connect(descriptor, addressOf(endpoint));
  return mayHaveLongerName(endpoint, connected)
    ? system.connect(descriptor, addressOf(filledUp(endpoint)))
    : connected;
}

/** Whether a connect that ended so may still succeed under the other name of {@link connectTo}. */
export function mayHaveLongerName(endpoint: string, connected: number): boolean {
  return endpoint.startsWith('\0') && connected === -(errno['ECONNREFUSED'] ?? 0);
}

function filledUp(name: string): string {
  return name + '\0'.repeat(Math.max(LINUX_NAME_BYTES - Buffer.byteLength(name), 0));
}
