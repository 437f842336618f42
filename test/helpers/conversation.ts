import { once } from 'node:events';
import type { Socket } from 'node:net';

/** Sends a word and waits for it to come back. */
export async function echo(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  return await read(socket, word.length);
}

/** Reads just `length` bytes and leaves no listener behind. */
export async function read(socket: Socket, length: number): Promise<string> {
  for (;;) {
    const chunk: Buffer | null = socket.read(length);
    if (chunk !== null) return chunk.toString('latin1');
    await once(socket, 'readable');
  }
}
