import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { ownListeners, resetSocket, socketProblem } from '../../src/pool/socket-hygiene.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { closed, read } from '../helpers/system.js';

function ignore(): void {}

const OWN = ownListeners({ error: ignore });

/** Two ends of a real connection: the pool's and the backend's. */
async function pair(t: ExecutionContext): Promise<{ socket: Socket; peer: Socket }> {
  const path = join(temporaryDirectory(t), 'hygiene.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const socket = connect(path);
  const [peer]: Socket[] = await once(server, 'connection');
  if (peer === undefined) throw new Error('no connection');
  socket.on('error', ignore);
  peer.on('error', () => {});
  t.teardown(async () => {
    await Promise.all([closed(socket), closed(peer)]);
    server.close();
  });
  return { socket, peer };
}

/** What the next caller gets, who listens only two turns after the bytes have been sent. */
async function whatTheNextCallerReads(socket: Socket, peer: Socket): Promise<string> {
  await turn();
  peer.write('for the next one');
  await turn();
  await turn();
  return await read(socket, 16);
}

const habits: Readonly<Record<string, (socket: Socket, peer: Socket) => Promise<unknown>>> = {
  'a listener for data': async (socket, peer) => {
    socket.on('data', () => {});
    peer.write('x');
    await once(socket, 'data');
  },
  'a listener for data that has just been put on': async (socket) => socket.on('data', () => {}),
  'several listeners for data, one of them for once': async (socket, peer) => {
    for (let count = 0; count < 3; count++) socket.on('data', () => {});
    socket.once('data', () => {});
    peer.write('x');
    await once(socket, 'data');
    socket.once('data', () => {});
  },
  'a listener for readable': async (socket, peer) => {
    socket.on('readable', () => socket.read());
    peer.write('x');
    await once(socket, 'readable');
  },
  'a listener of each kind': async (socket, peer) => {
    socket.on('data', () => {});
    socket.on('readable', () => socket.read());
    peer.write('x');
    await once(socket, 'data');
  },
  'a pause': async (socket) => socket.pause(),
  'a pause after reading': async (socket, peer) => {
    socket.on('data', () => {});
    peer.write('x');
    await once(socket, 'data');
    socket.pause();
  },
  'a stream that flows without a listener': async (socket) => socket.resume(),
  'a pipe to somewhere': async (socket, peer) => {
    socket.pipe(new PassThrough().resume());
    peer.write('x');
    await once(socket, 'data');
  },
  'an iteration that was broken off': async (socket, peer) => {
    peer.write('x');
    for await (const _ of socket.iterator({ destroyOnReturn: false })) break;
  },
  'a timeout': async (socket) => socket.setTimeout(20_000),
  nothing: async () => {},
};

for (const [habit, leave] of Object.entries(habits)) {
  test(`after a caller who left ${habit}, the next one gets every byte`, async (t) => {
    const { socket, peer } = await pair(t);
    await leave(socket, peer);
    t.is(socketProblem(socket, OWN), undefined);
    resetSocket(socket, OWN);
    t.is(await whatTheNextCallerReads(socket, peer), 'for the next one');
    t.deepEqual([socket.listenerCount('data'), socket.listenerCount('readable'), socket.timeout ?? 0], [0, 0, 0]);
  });

  test(`after a caller who left ${habit}, one who listens for data gets every byte`, async (t) => {
    const { socket, peer } = await pair(t);
    await leave(socket, peer);
    resetSocket(socket, OWN);
    peer.write('for the next one');
    await turn();
    await turn();
    const chunks: string[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(String(chunk)));
    while (chunks.join('').length < 16) await once(socket, 'data');
    t.is(chunks.join(''), 'for the next one');
  });
}

test('the listeners of the last caller hear nothing of the next', async (t) => {
  const { socket, peer } = await pair(t);
  const heard: string[] = [];
  const destination = new PassThrough();
  destination.on('data', (chunk) => heard.push(String(chunk)));
  socket.pipe(destination);
  socket.on('data', (chunk) => heard.push(String(chunk)));
  await turn();
  resetSocket(socket, OWN);
  await whatTheNextCallerReads(socket, peer);
  t.deepEqual(heard, []);
});

test('the listeners of the pool and of Node stay, all others go', async (t) => {
  const { socket } = await pair(t);
  const events = ['error', 'close', 'end', 'drain', 'finish', 'timeout', 'connect', 'of its own'];
  const counts = (): number[] => events.map((event) => socket.listenerCount(event));
  resetSocket(socket, OWN);
  t.deepEqual(counts(), [1, 0, 1, 0, 0, 0, 0, 0]);
  for (const event of events) {
    socket.on(event, () => t.fail());
    socket.prependOnceListener(event, () => t.fail());
  }
  resetSocket(socket, OWN);
  t.deepEqual(counts(), [1, 0, 1, 0, 0, 0, 0, 0]);
  t.is(socketProblem(socket, OWN), undefined);
});

for (const event of ['error', 'end']) {
  test(`one that has lost a listener for ${event} is dirty: nobody would notice how it ends`, async (t) => {
    const { socket } = await pair(t);
    socket.removeAllListeners(event);
    t.is(socketProblem(socket, OWN), 'dirty');
    socket.on(event, () => {});
    t.is(socketProblem(socket, OWN), 'dirty', 'another one is not the same');
  });
}

test('a cork makes it dirty: the next caller’s words would never leave', async (t) => {
  const { socket } = await pair(t);
  socket.cork();
  t.is(socketProblem(socket, OWN), 'dirty');
});

test('a pipe that leads into it makes it dirty, until it has ended', async (t) => {
  const { socket } = await pair(t);
  const source = new PassThrough();
  source.pipe(socket, { end: false });
  t.is(socketProblem(socket, OWN), 'dirty');
  source.end();
  await once(source, 'end');
  await turn();
  t.is(socketProblem(socket, OWN), undefined);
});

test('unread bytes make it dirty', async (t) => {
  const { socket, peer } = await pair(t);
  peer.write('unread');
  await once(socket, 'readable');
  t.is(socketProblem(socket, OWN), 'dirty');
});

test('unsent bytes make it dirty', async (t) => {
  const { socket } = await pair(t);
  while (socket.write(Buffer.alloc(65_536)));
  t.is(socketProblem(socket, OWN), 'dirty');
});

test('an encoding makes it dirty: it cannot be taken off', async (t) => {
  const { socket } = await pair(t);
  socket.setEncoding('utf8');
  t.is(socketProblem(socket, OWN), 'dirty');
});

test('one whose peer has ended is stale', async (t) => {
  const { socket, peer } = await pair(t);
  socket.resume();
  peer.end();
  await once(socket, 'end');
  t.is(socketProblem(socket, OWN), 'stale');
});

test('one that its caller has ended, or destroyed, is stale', async (t) => {
  const { socket } = await pair(t);
  socket.end();
  t.is(socketProblem(socket, OWN), 'stale');
  const { socket: another } = await pair(t);
  another.destroy();
  t.is(socketProblem(another, OWN), 'stale');
});

test('one that has failed is an error', async (t) => {
  const { socket } = await pair(t);
  socket.destroy(new Error('reset'));
  t.is(socketProblem(socket, OWN), 'error');
});
