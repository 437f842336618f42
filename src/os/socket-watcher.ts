/** Why a socket cannot go to another caller. */
export type SocketProblem = 'error' | 'stale' | 'dirty';

/** How a connection has ended: by an error, by its backend, or by the holder of its socket. */
export type SocketEnd = 'error' | 'stale' | 'destroyed';

/** The connection behind a `PooledSocket`, which cannot rely on the socket's listeners. */
export interface SocketWatcher {
  /** Arriving bytes belong to another thread: the socket must not read. */
  readonly mustNotRead: boolean;
  /** Bytes have arrived. */
  onBytes(): void;
  /** One side has ended: of the peer's, the caller may still have bytes to read. */
  onEnd(): void;
  /** The holder of a detached socket has unreferenced it: it is at rest. */
  onRest(): void;
  /** The socket is about to close its descriptor. */
  beforeClose(): void;
  /** The socket is closed. */
  onDeath(end: SocketEnd): void;
}
