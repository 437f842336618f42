import { invalidArgument } from '../errors.js';

const AF_UNIX = 1;
/** `sun_path` is the rest of `sockaddr_un` behind the two-byte family. */
const FAMILY_BYTES = 2;

/**
 * An endpoint as a `sockaddr_un`.
 *
 * Layout on Linux: family (2 bytes, host order), then the path with its closing NUL, or the abstract name
 * beginning with NUL and without a closing one (its length says where it ends). On macOS and the BSDs the first byte is
 * the length of the whole address and the second the family.
 *
 * Throws `INVALID_ARGUMENT` where the platform has no such address.
 */
export function encodeAddress(endpoint: string, platform: NodeJS.Platform = process.platform): Uint8Array {
  const name = Buffer.from(endpoint, 'utf8');
  const abstract = name[0] === 0;
  if (abstract && platform !== 'linux') {
    throw invalidArgument('endpoint', `is an abstract name, which only Linux has: "@${endpoint.slice(1)}"`);
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

/** A service talks to a handful of endpoints; a program that dials thousands of names must not keep them all. */
const MOST_REMEMBERED = 64;
const remembered = new Map<string, Uint8Array>();

/** {@link encodeAddress} for this platform, remembered: between a broker's reply and the next connect every microsecond counts. */
export function addressOf(endpoint: string): Uint8Array {
  let address = remembered.get(endpoint);
  if (address === undefined) {
    address = encodeAddress(endpoint);
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(endpoint, address);
  }
  return address;
}
