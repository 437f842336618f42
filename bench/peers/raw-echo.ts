import type { Socket } from 'node:net';

/** Writes bytes to an echo and resolves when as many have come back. */
export function askRaw(socket: Socket, payload: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = payload.length;
    const finish = (error?: Error): void => {
      socket.off('data', onData).off('error', finish).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = (): void => finish(new Error('the connection closed before the answer'));
    const onData = (piece: Uint8Array): void => {
      missing -= piece.length;
      if (missing <= 0) finish(missing < 0 ? new Error('more came back than was sent') : undefined);
    };
    socket.on('data', onData).on('error', finish).on('close', onClose);
    socket.write(payload);
  });
}
