import type { Clock } from '../../clock.js';
import type { Native } from '../../os/native.js';
import type { SocketMaker } from '../sockets/dial.js';

/** Values that all jobs of a driver share. */
export interface NegotiationEnvironment {
  readonly clock: Clock;
  readonly native: Native | undefined;
  /** A job keeps the process alive for a second at most, for the broker's sake. */
  readonly background: boolean;
  /** Makes the socket of a backend that is dialled on the spot. @default a `net.Socket` */
  readonly makeSocket: SocketMaker | undefined;
}
