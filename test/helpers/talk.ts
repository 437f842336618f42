/** Talks to an echo, for tests and for programs without AVA. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

export const SERVICE = 'demo';
export const VERSION = '1.0.0';

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
    await letRestCome(socket);
    await once(socket, 'readable');
  }
}

/** Destroys a socket and waits until it is closed. */
export async function closed(socket: Socket): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

/**
 * As {@link echo}, but rejects when the connection ends before the answer is whole. Leaves no listener behind
 * either way.
 */
export async function ask(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  for (;;) {
    const chunk: Buffer | null = socket.read(word.length);
    if (chunk !== null) return chunk.toString('latin1');
    if (socket.destroyed || socket.readableEnded) throw new Error('the connection ended');
    await letRestCome(socket);
    await firstOf(socket, 'readable', 'close', 'end', 'error');
  }
}

/** With a part of an answer a socket is 'readable' to each listener at once: nothing would read the rest. */
async function letRestCome(socket: Socket): Promise<void> {
  if (socket.readableLength > 0) await turn();
}

function firstOf(socket: Socket, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const event of events) socket.off(event, settle);
      resolve();
    };
    for (const event of events) socket.on(event, settle);
  });
}
