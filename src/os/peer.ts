import { LINUX } from './abi.js';
import { loadNative } from './native.js';

/**
 * The process at the other end of a connected Unix socket. The kernel says so, and nobody can pretend to be
 * another.
 */
export interface Peer {
  /** The effective user when the connection was made; of a listener, when it began to listen. */
  readonly userId: number;
  /** 0 where the kernel does not tell. */
  readonly processId: number;
}

const LINUX_SO_PEERCRED = 17;
/** `struct ucred` on Linux: pid i32, uid u32, gid u32. */
const UCRED_BYTES = 12;
const UCRED_UID_OFFSET = 4;

let asks: ((descriptor: number) => Peer | number) | undefined;

/**
 * Who is at the other end of a socket; the negated errno where the kernel does not say. `undefined` where the
 * C library cannot be reached, or has no such question: Windows, where pipes have access lists instead.
 */
export function peerOf(descriptor: number): Peer | number | undefined {
  return canAskForPeers() ? asks?.(descriptor) : undefined;
}

/** Whether {@link peerOf} has an answer here. */
export function canAskForPeers(): boolean {
  asks ??= bind();
  return asks !== undefined;
}

function bind(): ((descriptor: number) => Peer | number) | undefined {
  const binder = loadNative()?.binder;
  if (binder === undefined) return undefined;
  if (process.platform === 'linux') {
    const getOption = binder.define(
      'int getsockopt(int fd, int level, int name, uint8_t *value, uint32_t *length)',
    );
    const credentials = new DataView(new ArrayBuffer(UCRED_BYTES));
    const bytes = new Uint8Array(credentials.buffer);
    const length = new Uint32Array(1);
    return (descriptor) => {
      length[0] = UCRED_BYTES;
      const result = getOption(descriptor, LINUX.SOL_SOCKET, LINUX_SO_PEERCRED, bytes, length);
      if (result < 0) return result;
      return {
        userId: credentials.getUint32(UCRED_UID_OFFSET, true),
        processId: credentials.getInt32(0, true),
      };
    };
  }
  const getPeerUser = binder.define('int getpeereid(int fd, uint32_t *uid, uint32_t *gid)');
  return (descriptor) => {
    const user = new Uint32Array(1);
    const group = new Uint32Array(1);
    const result = getPeerUser(descriptor, user, group);
    return result < 0 ? result : { userId: user[0] ?? -1, processId: 0 };
  };
}
