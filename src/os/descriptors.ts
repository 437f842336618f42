import { fstatSync } from 'node:fs';
import { boundOnce } from './further-calls.js';

/**
 * Calls on descriptors of connected sockets that more than one thread has. Results are as in `SystemCalls`.
 */
export interface DescriptorCalls {
  /** Another descriptor of the same connection, close-on-exec. */
  duplicate(descriptor: number): number;
  /** Ends the connection in both directions, however many descriptors of it are open. */
  shutdown(descriptor: number): number;
  /**
   * Looks for bytes without taking them: 1 if there are any, 0 at the end of the stream, EAGAIN if there is
   * nothing to read.
   */
  peek(descriptor: number): number;
  close(descriptor: number): number;
}

const F_DUPFD_CLOEXEC = { linux: 1030, darwin: 67 } as const;
const MSG_PEEK = 2;
const SHUT_RDWR = 2;

/** `undefined` where the C library cannot be reached, or the platform's numbers are not known here. */
export const loadDescriptorCalls: () => DescriptorCalls | undefined = boundOnce(
  ({ define, system, platform, numbers }) => {
    const control = define('int fcntl(int fd, int command, ...)');
    const shutdown = define('int shutdown(int fd, int how)');
    const receive = define('intptr_t recv(int fd, uint8_t *bytes, size_t length, int flags)');
    const peeked = new Uint8Array(1);
    return {
      duplicate: (descriptor) => control(descriptor, F_DUPFD_CLOEXEC[platform], 'int', 0),
      shutdown: (descriptor) => shutdown(descriptor, SHUT_RDWR),
      peek: (descriptor) => receive(descriptor, peeked, peeked.length, MSG_PEEK | numbers.MSG_DONTWAIT),
      close: (descriptor) => system.close(descriptor),
    };
  },
);

/** Identifies an open file for as long as it is open; `undefined` for a number that is not a descriptor. */
export function fileIdentity(descriptor: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
