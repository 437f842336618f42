import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { loadNative, type Native } from '../../src/os/native.js';
import { descriptorOf } from '../../src/os/socket-handle.js';

/**
 * What a peer does with a connection. It is paused: nothing of it has been read, unless the conduct reads.
 */
export type Conduct = (socket: Socket) => void | Promise<void>;

/** A listener that leaves each connection to a conduct. */
export class HostilePeer {
  readonly endpoint: string;
  /** The conduct for the next connections. */
  conduct: Conduct;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  accepted = 0;

  private constructor(endpoint: string, conduct: Conduct) {
    this.endpoint = endpoint;
    this.conduct = conduct;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#onConnection(socket),
    );
  }

  static async listen(endpoint: string, conduct: Conduct): Promise<HostilePeer> {
    const peer = new HostilePeer(endpoint, conduct);
    peer.#server.listen({ path: endpoint, backlog: 511 });
    await once(peer.#server, 'listening');
    return peer;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Closes every connection, which also ends the wait for each pending reply. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #onConnection(socket: Socket): void {
    this.accepted += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    void this.conduct(socket);
  }
}

/** Sends bytes and settles when the kernel has taken them, or never will. */
export async function say(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    socket.write(bytes, () => resolve());
  });
}

/**
 * Settles when the client has sent something. It is read, so that closing afterwards is an end and no reset.
 */
export async function heard(socket: Socket): Promise<void> {
  socket.resume();
  if (socket.bytesRead > 0 || socket.destroyed) return;
  await Promise.race([once(socket, 'data'), once(socket, 'close'), once(socket, 'end')]).catch(() => {});
}

/**
 * Ends the connection as a reset. A Unix socket has no SO_LINGER that would do it: the kernel sends a reset
 * when it closes with bytes of the client unread. So this is for sockets that were not read; it waits for the
 * request, of which it reads one byte at most.
 */
export async function reset(socket: Socket): Promise<void> {
  const native = loadNative();
  for (let turns = 0; native === undefined ? turns < TURNS_UNTIL_HEARD : !tasteByte(native, socket); turns++)
    await turn();
  socket.destroy();
}

/**
 * Without the C library the peer cannot look: a client of the same process has sent its request after so many
 * turns of the event loop.
 */
const TURNS_UNTIL_HEARD = 20;

function tasteByte({ system }: Native, socket: Socket): boolean {
  return system.receive(descriptorOf(socket), new Uint8Array(1)) >= 0;
}

/** Sends without an end, a piece in each turn of the event loop, until the client is gone. */
export async function trickle(socket: Socket, piece: Uint8Array): Promise<void> {
  socket.resume();
  while (!socket.destroyed && socket.writable) {
    await say(socket, piece);
    await turn();
  }
}

/** Keeps the connection open until the client ends it, reads on and says nothing more. */
export function keep(socket: Socket): void {
  socket.once('end', () => socket.destroy());
  socket.resume();
}
