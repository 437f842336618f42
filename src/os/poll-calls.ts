import { F_SETFD, FD_CLOEXEC } from './abi.js';

/**
 * A C function; its declaration checks the arguments at run time. The result is non-negative or the negated
 * errno.
 */
export type NativeFunction = (...values: unknown[]) => number;

/** The system calls of the pollers; each platform binds the group it has. */
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

const EVENTFD_FLAGS = { EFD_CLOEXEC: 0o2000000, EFD_NONBLOCK: 0o4000 } as const;
const EPOLL_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const O_NONBLOCK = process.platform === 'linux' ? 0o4000 : 0x4;

const KEVENT =
  'int kevent(int queue, const uint8_t *changes, int changeCount, uint8_t *events, int capacity, ' +
  'const uint8_t *timeout)';

/** For descriptors of calls that take no flags: pipe(), and socket() on macOS. `control` is fcntl(). */
export function makePrivateAndNonBlocking(control: NativeFunction, descriptor: number): number {
  const first = control(descriptor, F_SETFD, 'int', FD_CLOEXEC);
  return first < 0 ? first : control(descriptor, F_SETFL, 'int', O_NONBLOCK);
}

/**
 * @param define binds a C function from its declaration; an interrupted call is made again
 * @param defineWait binds a wait; an interrupted wait counts as "nothing ready"
 */
export function bindPollCalls(
  define: (declaration: string) => NativeFunction,
  defineWait: (declaration: string) => NativeFunction,
  control: NativeFunction,
  close: (descriptor: number) => number,
): PollCalls {
  const pipe = define('int pipe(int *ends)');
  const write = define('intptr_t write(int fd, const uint8_t *bytes, size_t length)');
  const read = define('intptr_t read(int fd, uint8_t *bytes, size_t length)');
  const poll = defineWait('int poll(uint8_t *entries, unsigned long count, int timeout)');
  const common: PollCalls = {
    pipe: (ends) => {
      const result = pipe(ends);
      if (result < 0) return result;
      for (const end of ends) {
        const prepared = makePrivateAndNonBlocking(control, end);
        if (prepared >= 0) continue;
        for (const opened of ends) close(opened);
        return prepared;
      }
      return 0;
    },
    write: (descriptor, bytes) => write(descriptor, bytes, bytes.byteLength),
    read: (descriptor, into) => read(descriptor, into, into.byteLength),
    poll: (entries, count, timeoutMs) => poll(entries, count, timeoutMs),
  };
  if (process.platform === 'linux') {
    const eventfd = define('int eventfd(unsigned int value, int flags)');
    const create = define('int epoll_create1(int flags)');
    return {
      ...common,
      eventfd: () => eventfd(0, EVENTFD_FLAGS.EFD_CLOEXEC | EVENTFD_FLAGS.EFD_NONBLOCK),
      epollCreate: () => create(EPOLL_CLOEXEC),
      epollControl: define('int epoll_ctl(int epoll, int operation, int fd, const uint8_t *event)'),
      epollWait: defineWait('int epoll_wait(int epoll, uint8_t *events, int capacity, int timeout)'),
    };
  }
  if (process.platform !== 'darwin') return common;
  const queue = define('int kqueue(void)');
  return {
    ...common,
    kqueue: () => {
      const descriptor = queue();
      if (descriptor >= 0) control(descriptor, F_SETFD, 'int', FD_CLOEXEC);
      return descriptor;
    },
    kevent: defineWait(KEVENT),
  };
}
