import type koffi from 'koffi';
import { isSwitchedOff, warnProcess } from '../process-warning.js';
import { requirePackage } from '../package-files.js';
import { printable } from '../errors.js';
import { AF_UNIX, DARWIN, F_SETFD, FD_CLOEXEC, LINUX } from './abi.js';
import { errno } from './errno.js';
import { hasFreeDescriptors } from './free-descriptors.js';

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
  /** Reads what is there into `into`; 0 is the end of the stream. */
  receive(descriptor: number, into: Uint8Array): number;
  close(descriptor: number): number;
}

/** What the pollers call on top; each platform binds the group it has. */
export interface PollCalls {
  readonly eventfd?: () => number;
  readonly pipe: (ends: Int32Array) => number;
  readonly write: (descriptor: number, bytes: Uint8Array) => number;
  readonly read: (descriptor: number, into: Uint8Array) => number;
  readonly epollCreate?: () => number;
  readonly epollControl?: (epoll: number, operation: number, descriptor: number, event: Uint8Array) => number;
  readonly epollWait?: (epoll: number, events: Uint8Array, capacity: number, timeoutMs: number) => number;
  readonly kqueue?: () => number;
  readonly kevent?: (
    queue: number,
    changes: Uint8Array,
    changeCount: number,
    events: Uint8Array,
    capacity: number,
    timeout: Uint8Array | null,
  ) => number;
  readonly poll: (entries: Uint8Array, count: number, timeoutMs: number) => number;
}

export interface Native {
  readonly system: SystemCalls;
  readonly polling: PollCalls;
  /**
   * For calls beyond those. Tests that put their own calls in place leave it out, so that nothing goes past
   * them.
   */
  readonly binder?: Binder;
}

/**
 * A C function; arguments are checked by its declaration at run time. The result is non-negative or the
 * negated errno.
 */
export type NativeFunction = (...values: unknown[]) => number;

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
const LINUX_EVENTFD = { EFD_CLOEXEC: 0o2000000, EFD_NONBLOCK: 0o4000 } as const;
const LINUX_EPOLL_CLOEXEC = 0o2000000;
const SOCK_STREAM = 1;
const F_SETFL = 4;
const O_NONBLOCK = process.platform === 'linux' ? 0o4000 : 0x4;
const DARWIN_SO_NOSIGPIPE = 0x1022;

/** What loading koffi needs for a moment. */
const LOADING_DESCRIPTORS = 4;

let loaded: Native | undefined;
/** The C library is not used here at all, by the user's choice or on Windows. */
let isUnwanted = false;
/** Why the C library cannot be used here. */
let failure: string | undefined;
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
    // Not imported: a platform without a prebuilt library must be able to load this module.
    const ffi: typeof koffi = requirePackage('koffi');
    loaded = bind(ffi);
  } catch (error) {
    failure = error instanceof Error ? error.message : 'koffi threw something else than an error';
  }
  return loaded;
}

/**
 * As {@link loadNative}, for what connects: without the C library the kernel is not asked who is behind an
 * endpoint. Where it is missing against the user's will, the process gets one warning.
 */
export function loadNativeOrWarn(): Native | undefined {
  const native = loadNative();
  if (native !== undefined || isUnwanted || isWarned) return native;
  isWarned = true;
  const reason = printable(failure ?? 'too few descriptors are free');
  warnProcess(
    'BROKER_POOL_NO_FFI',
    `system calls are not available: peers are not checked, and connects are slower: ${reason}`,
  );
  return undefined;
}

/**
 * The C library if something has loaded it already: loading takes some milliseconds, too many for one short
 * call.
 */
export function loadedNative(): Native | undefined {
  return loaded;
}

/** What binds further C functions; `undefined` where {@link loadNative} is. */
export function loadBinder(): Binder | undefined {
  return loadNative()?.binder;
}

function bind(ffi: typeof koffi): Native {
  const library = ffi.load(null);
  const linux = process.platform === 'linux';

  /** The arguments of a C function are checked by its declaration at run time, not by TypeScript. */
  function declare(declaration: string): NativeFunction {
    return library.func(declaration);
  }

  /** Wraps a C function so that -1 becomes the negated errno. An interrupted call is made again. */
  function define(declaration: string): NativeFunction {
    const call = declare(declaration);
    return (...values) => {
      for (;;) {
        const result = call(...values);
        if (result >= 0) return result;
        const number = ffi.errno();
        if (number !== errno['EINTR']) return -number;
      }
    };
  }

  /**
   * A wait that a signal ends is not begun again, or it would outlive its time limit: it counts as "nothing
   * ready".
   */
  function defineWait(declaration: string): NativeFunction {
    const call = declare(declaration);
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
  const closeDescriptor = declare('int close(int fd)');
  const control = define('int fcntl(int fd, int command, ...)');
  const close = (descriptor: number): number => {
    // Not retried on EINTR: the descriptor is gone either way, and its number may be somebody else's by now.
    const result = closeDescriptor(descriptor);
    return result >= 0 ? result : -ffi.errno();
  };
  const sendFlags = linux ? LINUX.MSG_NOSIGNAL : 0;

  /** macOS has no flags for these in socket() and pipe(). */
  function makePrivateAndNonBlocking(descriptor: number): number {
    const first = control(descriptor, F_SETFD, 'int', FD_CLOEXEC);
    return first < 0 ? first : control(descriptor, F_SETFL, 'int', O_NONBLOCK);
  }

  let openSocket = (): number =>
    socket(AF_UNIX, SOCK_STREAM | LINUX_SOCKET.SOCK_CLOEXEC | LINUX_SOCKET.SOCK_NONBLOCK, 0);
  if (!linux) {
    const setOption = define(
      'int setsockopt(int fd, int level, int name, const int *value, uint32_t length)',
    );
    openSocket = () => {
      const descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
      if (descriptor < 0) return descriptor;
      let result = makePrivateAndNonBlocking(descriptor);
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

  const pipe = define('int pipe(int *ends)');
  const write = define('intptr_t write(int fd, const uint8_t *bytes, size_t length)');
  const read = define('intptr_t read(int fd, uint8_t *bytes, size_t length)');
  const poll = defineWait('int poll(uint8_t *entries, unsigned long count, int timeout)');
  const polling: PollCalls = {
    pipe: (ends) => {
      const result = pipe(ends);
      if (result < 0) return result;
      for (const end of ends) {
        const prepared = makePrivateAndNonBlocking(end);
        if (prepared < 0) {
          for (const opened of ends) close(opened);
          return prepared;
        }
      }
      return 0;
    },
    write: (descriptor, bytes) => write(descriptor, bytes, bytes.byteLength),
    read: (descriptor, into) => read(descriptor, into, into.byteLength),
    poll: (entries, count, timeoutMs) => poll(entries, count, timeoutMs),
  };

  const binder: Binder = {
    define,
    address: (bytes) => ffi.address(bytes),
    view: (address, bytes) => ffi.view(address, bytes),
  };
  return { system, polling: { ...polling, ...queueCalls() }, binder };

  /** The platform's own way to wait for many descriptors. */
  function queueCalls(): Partial<PollCalls> {
    if (linux) {
      const eventfd = define('int eventfd(unsigned int value, int flags)');
      const create = define('int epoll_create1(int flags)');
      return {
        eventfd: () => eventfd(0, LINUX_EVENTFD.EFD_CLOEXEC | LINUX_EVENTFD.EFD_NONBLOCK),
        epollCreate: () => create(LINUX_EPOLL_CLOEXEC),
        epollControl: define('int epoll_ctl(int epoll, int operation, int fd, const uint8_t *event)'),
        epollWait: defineWait('int epoll_wait(int epoll, uint8_t *events, int capacity, int timeout)'),
      };
    }
    if (process.platform !== 'darwin') return {};
    const queue = define('int kqueue(void)');
    return {
      kqueue: () => {
        const descriptor = queue();
        if (descriptor >= 0) control(descriptor, F_SETFD, 'int', FD_CLOEXEC);
        return descriptor;
      },
      kevent: defineWait(
        'int kevent(int queue, const uint8_t *changes, int changeCount, uint8_t *events, int capacity, const uint8_t *timeout)',
      ),
    };
  }
}
