import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.js';
import { withoutThrowing } from './socket-handle.js';

/** How long a socket that was given back may take to send its last bytes, in milliseconds. */
const DRAIN_MS = 100;
/** How many unsent bytes are waited for. */
export const DRAINED_BYTES = 64 * 1024;

/**
 * Waits until the bytes that a socket has still to send have left, but no longer than {@link DRAIN_MS}. On
 * Windows every write to a pipe completes a moment later; elsewhere only one that the kernel has no room for
 * does. The handle cannot move to another socket before.
 *
 * @param settle is told whether they have left, and nothing else has been read or written meanwhile
 * @returns a function that stops waiting
 */
export function afterDrain(socket: Socket, clock: Clock, settle: (drained: boolean) => void): () => void {
  const expected = bytesOf(socket);
  const stop = (): void => {
    limit.cancel();
    withoutThrowing(() => EventEmitter.prototype.off.call(socket, 'drain', onEnd));
  };
  const onEnd = (): void => {
    stop();
    settle(withoutThrowing(() => socket.writableLength === 0 && bytesOf(socket) === expected) === true);
  };
  const limit = clock.deadline(DRAIN_MS, onEnd);
  // Where a caller's own members throw, the limit decides.
  withoutThrowing(() => EventEmitter.prototype.on.call(socket, 'drain', onEnd));
  // Node tells of the drain only after a write that went beyond the high-water mark.
  const state: unknown = Reflect.get(socket, '_writableState');
  if (typeof state === 'object' && state !== null) Reflect.set(state, 'needDrain', true);
  return stop;
}

/** How many bytes have been read and written, those that wait to be sent included. */
function bytesOf(socket: Socket): number {
  return withoutThrowing(() => socket.bytesRead + socket.bytesWritten) ?? NaN;
}
