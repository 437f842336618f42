import type { Socket } from 'node:net';
import { onAbort } from '../abort.js';
import { systemClock } from '../clock.js';
import { hasHungUp } from '../os/hang-up.js';
import { descriptorOf } from '../os/socket-handle.js';
import type { CommandIo } from './command.js';

/** How often a half-open connection is looked at: Node does not notice that the backend closes the rest. */
const LOOK_MS = 200;

/**
 * Joins a connection with input and output. Either side may end first: at the end of the input the backend can
 * still answer; its own end ends the output, and it can still be sent input until it has closed the connection
 * altogether. Settles when the connection has closed, with the bytes that went through.
 *
 * @throws the error of the connection or of the input
 */
export async function relay(
  socket: Socket,
  { stdin, stdout, signal }: Pick<CommandIo, 'stdin' | 'stdout' | 'signal'>,
): Promise<{ sentBytes: number; receivedBytes: number }> {
  // Bytes sent before are those of the Hello, on a connection that the broker has handed over.
  const sentBefore = socket.bytesWritten;
  let receivedBytes = 0;
  let stopLooking = (): void => {};
  const look = (): void => {
    // A pipe of Windows cannot end one side alone.
    if (process.platform === 'win32' || hasHungUp(descriptorOf(socket))) socket.destroy();
    else stopLooking = systemClock.schedule(LOOK_MS, look, true);
  };
  const stopListening = onAbort(signal, () => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      stdin.once('error', reject);
      socket.once('error', reject);
      socket.once('close', () => resolve());
      socket.once('end', () => {
        if (stdout.isTTY !== true) stdout.end();
        look();
      });
      // Node closes the socket when both sides have ended.
      socket.allowHalfOpen = true;
      stdin.pipe(socket);
      socket.on('data', (chunk: Buffer) => (receivedBytes += chunk.length));
      socket.pipe(stdout, { end: false });
    });
    return { sentBytes: socket.bytesWritten - sentBefore, receivedBytes };
  } finally {
    stopLooking();
    stopListening();
    socket.destroy();
    // An input that stays open would keep the process alive.
    stdin.unpipe(socket).destroy();
  }
}
