import type { SocketProblem } from '../os/socket-watcher.js';

/** Other threads that have duplicates of a connection's descriptor. */
export interface SharedWith {
  /** One of them has the connection on lease, or may claim it. */
  readonly isLeasedElsewhere: boolean;
  /** One of them has received bytes of the backend, which this thread's socket cannot know. */
  readonly everReceived: boolean;
  /**
   * Takes an idle connection from the thread that may claim it, or says why no other caller may have it;
   * `'claimed'`: that thread was faster, and the connection is leased now.
   */
  recall(): SocketProblem | 'claimed' | undefined;
  /** From now on no thread may claim the connection. */
  forbidClaims(): void;
  /** The connection is about to close. */
  onClosing(): void;
  /** The thread that has the connection, detached, closes it as soon as it is at rest. */
  retire(): void;
}
