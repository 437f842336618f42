/**
 * Numbers out of C headers that several files of this folder need. They are part of each platform's binary
 * interface, and so never change.
 */

/** The same on Linux and macOS. */
export const AF_UNIX = 1;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;

/** Numbers that differ between the two. */
export interface SocketNumbers {
  readonly SOL_SOCKET: number;
  /** Do not wait, not even where the descriptor itself is blocking. */
  readonly MSG_DONTWAIT: number;
  /** No SIGPIPE; 0 where a socket option says so instead. */
  readonly MSG_NOSIGNAL: number;
}

export const LINUX: SocketNumbers = { SOL_SOCKET: 1, MSG_DONTWAIT: 0x40, MSG_NOSIGNAL: 0x4000 };
export const DARWIN: SocketNumbers = { SOL_SOCKET: 0xffff, MSG_DONTWAIT: 0x80, MSG_NOSIGNAL: 0 };
