import { invalidArgument } from '../errors.js';
import { AF_UNIX } from './abi.js';
import { errno, printableEndpoint } from './errno.js';
import { ringOf } from './io-uring.js';
import type { Native, SystemCalls } from './native.js';

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
 * nor any that is too long for every system.
 */
const MAX_REMEMBERED = 64;
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
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(endpoint, address);
  }
  return address;
}

/** How {@link connectAndSend} ended; `sent` is the result of the send. */
export type SendAttempt =
  | { readonly descriptor: number; readonly sent: number }
  | { readonly descriptor: undefined; readonly syscall: 'socket' | 'connect'; readonly result: number };

/**
 * Opens a socket, connects and sends with nothing in between (V-21): in one system call where the kernel can,
 * in two right behind each other where not. Without a connection nothing is left open.
 */
export function connectAndSend(native: Native, endpoint: string, request: Uint8Array): SendAttempt {
  const { system } = native;
  const descriptor = system.openSocket();
  if (descriptor < 0) return { descriptor: undefined, syscall: 'socket', result: descriptor };
  const ring = ringOf(native);
  let together = ring?.connectAndSend(descriptor, addressOf(endpoint), request);
  if (together !== undefined && mayHaveLongerName(endpoint, together.connected)) together = undefined;
  const connected = together?.connected ?? connectTo(system, descriptor, endpoint);
  ring?.onConnect(connected);
  if (connected >= 0) return { descriptor, sent: together?.sent ?? system.send(descriptor, request) };
  system.close(descriptor);
  return { descriptor: undefined, syscall: 'connect', result: connected };
}

/**
 * Connects a socket. An abstract name without a listener may have one when it is filled up with NULs: Node 20
 * names its listeners so, and to the kernel that is another name. Results are as in {@link SystemCalls}.
 */
export function connectTo(system: SystemCalls, descriptor: number, endpoint: string): number {
  const connected = system.connect(descriptor, addressOf(endpoint));
  if (!mayHaveLongerName(endpoint, connected)) return connected;
  const filledUp = endpoint + '\0'.repeat(Math.max(LINUX_NAME_BYTES - Buffer.byteLength(endpoint), 0));
  return system.connect(descriptor, addressOf(filledUp));
}

/** Whether a connect with this result may still succeed under the other name of {@link connectTo}. */
function mayHaveLongerName(endpoint: string, connected: number): boolean {
  return endpoint.startsWith('\0') && connected === -(errno['ECONNREFUSED'] ?? 0);
}
