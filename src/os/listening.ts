import { F_SETFD, FD_CLOEXEC } from './abi.js';
import { boundOnce } from './further-calls.js';

/** Calls of a process that listens. Results are as in `SystemCalls`. */
export interface ListeningCalls {
  /** 1 for a listening socket, 0 for another socket; ENOTSOCK and EBADF where it is no socket. */
  isListening(descriptor: number): number;
  /** Keeps the descriptor from programs that this process starts. */
  setPrivate(descriptor: number): number;
  /** Takes the advisory lock of an open file; EAGAIN while another process has it. It ends with the descriptor. */
  lock(descriptor: number): number;
}

const SO_ACCEPTCONN = { linux: 30, darwin: 0x2 } as const;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** `undefined` where the C library cannot be reached, or the platform's numbers are not known here. */
export const loadListeningCalls: () => ListeningCalls | undefined = boundOnce(
  ({ define, platform, numbers }) => {
    const getOption = define('int getsockopt(int fd, int level, int name, uint8_t *value, uint32_t *length)');
    const control = define('int fcntl(int fd, int command, ...)');
    const lock = define('int flock(int fd, int operation)');
    const value = new Uint8Array(4);
    const length = new Uint32Array(1);
    return {
      isListening(descriptor) {
        length[0] = value.length;
        const result = getOption(descriptor, numbers.SOL_SOCKET, SO_ACCEPTCONN[platform], value, length);
        return result < 0 ? result : Number(value.some((byte) => byte !== 0));
      },
      setPrivate: (descriptor) => control(descriptor, F_SETFD, 'int', FD_CLOEXEC),
      lock: (descriptor) => lock(descriptor, LOCK_EX | LOCK_NB),
    };
  },
);
