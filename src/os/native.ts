import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import type koffi from 'koffi';
import { isSwitchedOff, warnProcess } from '../process-warning.js';
import { printable } from '../errors.js';
import { AF_UNIX, DARWIN, LINUX } from './abi.js';
import { errno, isShortage } from './errno.js';
import { loadKoffi } from './load-koffi.js';
import { NO_DESCRIPTOR_SOCKETS } from './runtime.js';
import {
  bindPollCalls,
  makePrivateAndNonBlocking,
  type NativeFunction,
  type PollCalls,
} from './poll-calls.js';

export type { NativeFunction, PollCalls };

/**
 * The system calls of the connect path. Every function returns a non-negative result or the negated
 * errno, as the kernel does, so that a caller cannot read a stale `errno` and tests can put
 * failures in place of any call.
 */
export interface SystemCalls {
  /** A new Unix stream socket: close-on-exec, non-blocking, silent on SIGPIPE. */
  openSocket(): number;
  /** Starts or completes a connect. `address` is a `sockaddr_un`, see `encodeAddress`. */
  connect(descriptor: number, address: Uint8Array): number;
  /** Sends what fits of `bytes` and returns how many bytes that was. */
  send(descriptor: number, bytes: Uint8Array): number;
  /** Reads available bytes into `into`; 0 is the end of the stream. */
  receive(descriptor: number, into: Uint8Array): number;
  close(descriptor: number): number;
}

export interface Native {
  readonly system: SystemCalls;
  readonly polling: PollCalls;
  /**
   * Binds further calls. Tests that replace the system calls leave it out, so that no call bypasses them.
   */
  readonly binder?: Binder;
}

/** Binds C functions beyond the connect path by the same rules, for the other modules of this folder. */
export interface Binder {
  readonly define: (declaration: string) => NativeFunction;
  /** Where the bytes lie. Good for as long as `bytes` is referenced. */
  readonly address: (bytes: Uint8Array) => bigint;
  /** The memory at `address`, which must stay mapped for as long as the buffer is used. */
  readonly view: (address: number, bytes: number) => ArrayBuffer;
}

/** Flags that Linux has where macOS needs a second call. */
const LINUX_SOCKET = { SOCK_CLOEXEC: 0o2000000, SOCK_NONBLOCK: 0o4000 } as const;
const SOCK_STREAM = 1;
const DARWIN_SO_NOSIGPIPE = 0x1022;

/** Loading koffi needs that many for a moment. */
const LOADING_DESCRIPTORS = 4;

let loaded: Native | undefined;
/** The C library is not used here at all, by the user's choice or on Windows. */
let isUnwanted = false;
/** Why the C library cannot be used here. */
let failure: string | undefined = NO_DESCRIPTOR_SOCKETS;
let isWarned = false;

/**
 * Binds the C library once per thread. Returns `undefined` where that is not possible (Windows, a platform
 * without a prebuilt koffi, `BROKER_POOL_FFI=0`): callers then use the event-loop driver.
 */
export function loadNative(): Native | undefined {
  if (loaded !== undefined || failure !== undefined || isUnwanted) return loaded;
  isUnwanted = process.platform === 'win32' || isSwitchedOff('BROKER_POOL_FFI');
  // A shortage passes; the next call tries again.
  if (isUnwanted || !hasFreeDescriptors(LOADING_DESCRIPTORS)) return undefined;
  try {
    loaded = bind(loadKoffi());
  } catch (error) {
    failure = error instanceof Error ? error.message : 'koffi threw something else than an error';
  }
  return loaded;
}

/**
 * {@link loadNative} for code that connects: without the C library the kernel does not name the peers. Where it
 * is missing and the user has not switched it off, the process gets one warning.
 */
export function loadNativeOrWarn(): Native | undefined {
  const native = loadNative();
  if (native !== undefined || isUnwanted || isWarned) return native;
  isWarned = true;
  warnProcess(
    'BROKER_POOL_NO_FFI',
    `system calls are not available: peers are not checked, and connects are slower: ${nativeProblem()}`,
  );
  return undefined;
}

/** Why {@link loadNative} has no C library; `undefined` where it has. */
export function nativeProblem(): string | undefined {
  if (loadNative() !== undefined) return undefined;
  if (!isUnwanted) return printable(failure ?? 'too few descriptors are free');
  return process.platform === 'win32' ? 'it is not used on Windows' : 'BROKER_POOL_FFI is 0';
}

/**
 * The C library if it is loaded already: loading takes some milliseconds, too many for one short call.
 */
export function loadedNative(): Native | undefined {
  return loaded;
}

/**
 * Whether the system has `count` descriptors left for this process. Node does not survive every shortage: it
 * loses a descriptor with a thread that it cannot start, and remembers a package as missing when it could not
 * open the files of the package.
 */
export function hasFreeDescriptors(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, 'r'));
    return true;
  } catch (error) {
    // The permission model may forbid to open it, which is no shortage.
    return !(
      error instanceof Error &&
      'code' in error &&
      typeof error.code === 'string' &&
      isShortage({ code: error.code })
    );
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function bind(ffi: typeof koffi): Native {
  const library = ffi.load(null);
  const linux = process.platform === 'linux';

  /** Wraps a C function so that -1 becomes the negated errno. An interrupted call is made again. */
  function define(declaration: string): NativeFunction {
    const call: NativeFunction = library.func(declaration);
    return (...values) => {
      for (;;) {
        const result = call(...values);
        if (result >= 0) return result;
        const number = ffi.errno();
        if (number !== errno['EINTR']) return -number;
      }
    };
  }

  /** A wait that a signal ends is not begun again, or it would outlive its time limit. */
  function defineWait(declaration: string): NativeFunction {
    const call: NativeFunction = library.func(declaration);
    return (...values) => {
      const result = call(...values);
      if (result >= 0) return result;
      const number = ffi.errno();
      return number === errno['EINTR'] ? 0 : -number;
    };
  }

  const socket = define('int socket(int domain, int type, int protocol)');
  const connect = define('int connect(int fd, const uint8_t *address, uint32_t length)');
  const send = define('intptr_t send(int fd, const uint8_t *bytes, size_t length, int flags)');
  const receive = define('intptr_t recv(int fd, uint8_t *bytes, size_t length, int flags)');
  const closeDescriptor: NativeFunction = library.func('int close(int fd)');
  const control = define('int fcntl(int fd, int command, ...)');
  const close = (descriptor: number): number => {
    // Not retried on EINTR: the descriptor is gone either way, and its number may be in use again.
    const result = closeDescriptor(descriptor);
    return result >= 0 ? result : -ffi.errno();
  };
  const sendFlags = linux ? LINUX.MSG_NOSIGNAL : 0;

  let openSocket = (): number =>
    socket(AF_UNIX, SOCK_STREAM | LINUX_SOCKET.SOCK_CLOEXEC | LINUX_SOCKET.SOCK_NONBLOCK, 0);
  if (!linux) {
    const setOption = define(
      'int setsockopt(int fd, int level, int name, const int *value, uint32_t length)',
    );
    openSocket = () => {
      const descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
      if (descriptor < 0) return descriptor;
      let result = makePrivateAndNonBlocking(control, descriptor);
      if (result >= 0 && process.platform === 'darwin') {
        result = setOption(descriptor, DARWIN.SOL_SOCKET, DARWIN_SO_NOSIGPIPE, [1], 4);
      }
      if (result >= 0) return descriptor;
      close(descriptor);
      return result;
    };
  }

  const system: SystemCalls = {
    openSocket,
    connect: (descriptor, address) => connect(descriptor, address, address.byteLength),
    send: (descriptor, bytes) => send(descriptor, bytes, bytes.byteLength, sendFlags),
    receive: (descriptor, into) => receive(descriptor, into, into.byteLength, 0),
    close,
  };

  const binder: Binder = {
    define,
    address: (bytes) => ffi.address(bytes),
    view: (address, bytes) => ffi.view(address, bytes),
  };
  return { system, polling: bindPollCalls(define, defineWait, control, close), binder };
}
