/** The connection of a broker without a stream: what it tells of, and what it leaves behind. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { loadNative } from '../../src/os/native.js';
import { ReplyChannel } from '../../src/os/reply-channel.js';
import { connectTo } from '../../src/os/socket.js';
import { handleOf, hasPipes, socketOverDescriptor } from '../../src/os/socket-handle.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { FFI, testWhere } from '../helpers/test-where.js';

const system = loadNative()?.system;
const withFfi = testWhere(system !== undefined, FFI);

/** Calls of a channel: pieces as text, then `end` or the error. */
interface Heard {
  readonly channel: ReplyChannel;
  readonly pieces: string[];
  /** The memory of the last piece. */
  memory(): Uint8Array | undefined;
  /** Resolves when the channel tells something. */
  next(): Promise<void>;
}

function listen(descriptor: number): Heard {
  const pieces: string[] = [];
  let memory: Uint8Array | undefined;
  let tell = (): void => {};
  const add = (piece: string): void => {
    pieces.push(piece);
    tell();
  };
  const onBytes = (bytes: Uint8Array): void => {
    memory = bytes;
    add(Buffer.from(bytes).toString());
  };
  const channel =
    system && ReplyChannel.over(system, descriptor, onBytes, (failure) => add(failure?.message ?? 'end'));
  if (channel === undefined) throw new Error('no handles of pipes here');
  const next = (): Promise<void> => new Promise((resolve) => (tell = resolve));
  return { channel, pieces, memory: () => memory, next };
}

/** The peer, and a function that connects a descriptor to it. */
async function peer(t: ExecutionContext) {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket.resume()));
  const path = join(temporaryDirectory(t), 's.sock');
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const connect = async (): Promise<{ descriptor: number; other: Socket }> => {
    if (system === undefined) throw new Error('no C library');
    const descriptor = system.openSocket();
    t.is(connectTo(system, descriptor, path), 0);
    const [other]: Socket[] = await once(server, 'connection');
    return { descriptor, other: other! };
  };
  // The class of the handles is known from the first socket on.
  const first = await connect();
  socketOverDescriptor(first.descriptor).destroy();
  t.true(hasPipes());
  return connect;
}

withFfi('a piece that fills the buffer, with nothing behind it, is not the end', async (t) => {
  const connect = await peer(t);
  const { descriptor, other } = await connect();
  await new Promise((resolve) => other.write('x'.repeat(64 * 1024), resolve));
  const heard = listen(descriptor);
  await heard.next();
  other.write('more');
  await heard.next();
  other.end();
  await heard.next();
  t.deepEqual(
    heard.pieces.map((piece) => piece.slice(-4)),
    ['xxxx', 'more', 'end'],
  );
  heard.channel.close();
});

withFfi('a channel tells of each piece and of the end, and overwrites each piece', async (t) => {
  const connect = await peer(t);
  const { descriptor, other } = await connect();
  const heard = listen(descriptor);
  for (const piece of ['one', 'and another']) {
    other.write(piece);
    await heard.next();
    t.is(heard.pieces.at(-1), piece);
    t.true(heard.memory()?.every((byte) => byte === 0));
  }
  other.end();
  await heard.next();
  t.deepEqual(heard.pieces, ['one', 'and another', 'end']);
  heard.channel.close();
  await once(other, 'end');
});

withFfi('pieces of two channels, which read into the same memory, do not mix', async (t) => {
  const connect = await peer(t);
  const both = [await connect(), await connect()];
  const heard = both.map(({ descriptor }) => listen(descriptor));
  const told = Promise.all(heard.map((each) => each.next()));
  for (const [index, { other }] of both.entries()) other.write(`for ${index}`);
  await told;
  t.deepEqual(
    heard.map(({ pieces }) => pieces),
    [['for 0'], ['for 1']],
  );
  for (const { channel } of heard) channel.close();
});

withFfi(
  'another listener is told of what arrives from then on, and a closed channel tells nothing',
  async (t) => {
    const connect = await peer(t);
    const { descriptor, other } = await connect();
    const heard = listen(descriptor);
    const pieces: string[] = [];
    const told = new Promise<void>((resolve) =>
      heard.channel.listen(
        (bytes) => {
          pieces.push(Buffer.from(bytes).toString());
          heard.channel.close();
          resolve();
        },
        () => t.fail('a closed channel tells of its end'),
      ),
    );
    other.write('late');
    await told;
    t.deepEqual([heard.pieces, pieces], [[], ['late']]);
    await once(other, 'end');
  },
);

withFfi('a reset tells of the end', async (t) => {
  const connect = await peer(t);
  const { descriptor, other } = await connect();
  other.pause();
  t.is(system?.send(descriptor, Buffer.from('unread')), 6);
  const heard = listen(descriptor);
  const told = heard.next();
  other.destroy();
  await told;
  t.deepEqual(heard.pieces, ['end']);
  heard.channel.close();
});

withFfi('a channel that cannot read tells its error in a later turn', async (t) => {
  const connect = await peer(t);
  const [{ descriptor }, probe] = [await connect(), await connect()];
  const socket = socketOverDescriptor(probe.descriptor);
  t.teardown(() => socket.destroy());
  const handle = handleOf(socket);
  const Pipe: unknown = handle && Object.getPrototypeOf(handle);
  if (typeof Pipe !== 'object' || Pipe === null) throw new Error('no handle');
  // The method is that of a class above, which this one hides.
  const value = (): number => -constants.errno.ENOMEM;
  Object.defineProperty(Pipe, 'readStart', { configurable: true, value });
  const heard = listen(descriptor);
  Reflect.deleteProperty(Pipe, 'readStart');
  t.deepEqual(heard.pieces, []);
  await heard.next();
  t.deepEqual(heard.pieces, ['read ENOMEM']);
  heard.channel.close();
});
