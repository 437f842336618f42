import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPool } from '../../src/index.js';
import test from '../helpers/sanitary.js';
import { echo, startSystem } from '../helpers/system.js';

/** What a caller may do with a socket, and leave on it. */
const HABITS: Readonly<Record<string, (socket: Socket) => Promise<void> | void>> = {
  'listens for data': async (socket) => {
    socket.on('data', () => {});
    socket.write('x');
    await once(socket, 'data');
  },
  'listens for data once, and never hears any': (socket) => void socket.once('data', () => {}),
  'listens for data and pauses': async (socket) => {
    socket.on('data', () => {});
    socket.write('x');
    await once(socket, 'data');
    socket.pause();
  },
  'waits for readable and pauses': async (socket) => {
    socket.on('readable', () => void socket.read());
    socket.write('x');
    await once(socket, 'readable');
    await turn();
    socket.pause();
  },
  'listens in both ways': async (socket) => {
    socket.on('data', () => {});
    socket.on('readable', () => void socket.read());
    socket.write('x');
    await once(socket, 'data');
  },
  'listens for its end in every way': (socket) => {
    socket
      .once('error', () => {})
      .once('close', () => {})
      .once('end', () => {})
      .on('timeout', () => {});
  },
  'lets it keep no process alive': (socket) => void socket.unref(),
  'sets encodings': (socket) => void socket.setEncoding('utf16le').setDefaultEncoding('latin1'),
  corks: (socket) => socket.cork(),
  'makes it half-open': (socket) => void (socket.allowHalfOpen = true),
  'takes every listener off': (socket) => void socket.removeAllListeners(),
  'wraps its methods': (socket) =>
    void Object.assign(socket, { write: () => true, emit: () => false, requestId: 7 }),
  'iterates over a part of it': async (socket) => {
    socket.write('x');
    for await (const _ of socket.iterator({ destroyOnReturn: false })) break;
  },
  'maps it': (socket) => void socket.map((chunk: unknown) => chunk).on('data', () => {}),
  'asks for its addresses': (socket) => void [socket.address(), socket.remoteAddress, socket.localAddress],
  'sets a timeout': (socket) => void socket.setTimeout(1, () => socket.destroy()),
  pauses: (socket) => void socket.pause(),
  resumes: (socket) => void socket.resume(),
};

/** How the next caller may read. */
const READERS: Readonly<Record<string, (socket: Socket) => Promise<string>>> = {
  'by readable': (socket) => echo(socket, 'word'),
  'by data': async (socket) => {
    const arrived = once(socket, 'data');
    socket.write('word');
    return String((await arrived)[0]);
  },
  'later than it arrives': async (socket) => {
    socket.write('word');
    while (socket.readableLength < 4) await turn();
    return String(socket.read());
  },
};

for (const [habit, leave] of Object.entries(HABITS)) {
  test(`a caller that ${habit} takes no byte of the next one, who reads ${Object.keys(READERS).join(', or ')}`, async (t) => {
    const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
    t.teardown(() => pool.destroy());
    for (const [name, read] of Object.entries(READERS)) {
      for (const turns of [0, 3]) {
        const first = await pool.acquire();
        await leave(first.socket);
        first.release();
        for (let passed = 0; passed < turns; passed++) await turn();
        const next = await pool.acquire();
        t.is(next.connectionId, 1);
        t.is(await read(next.socket), 'word', `${name}, ${turns} turns later`);
        next.release();
      }
    }
  });
}

/** What a caller sees that listens for data, pauses at once, and resumes a turn later. */
async function pausedAndResumed(socket: Socket): Promise<unknown[]> {
  const seen: unknown[] = [];
  socket.on('data', (data: Buffer) => seen.push(String(data))).on('pause', () => seen.push('pause'));
  seen.push(socket.readableFlowing);
  socket.write('x');
  socket.pause();
  await turn();
  seen.push(socket.readableFlowing);
  socket.resume();
  await once(socket, 'data');
  return seen;
}

test('a leased socket flows, pauses and resumes as a bare one does', async (t) => {
  const { target, backend } = await startSystem(t);
  const pool = new BrokerPool(target);
  const bare = connect(backend.endpoint);
  await once(bare, 'connect');
  const expected = await pausedAndResumed(bare);
  bare.destroy();
  t.deepEqual(expected, [true, 'pause', false, 'x']);
  // The first lease of a connection, and one whose socket has been made anew.
  for (let time = 0; time < 2; time++)
    t.deepEqual(await pool.use(({ socket }) => pausedAndResumed(socket)), expected);
  await pool.close();
});

test('a listener for resume that was there first hears that a leased socket flows', async (t) => {
  const { target } = await startSystem(t);
  const pool = new BrokerPool(target);
  for (let time = 0; time < 2; time++) {
    const heard = await pool.use(async ({ socket }) => {
      const resume = once(socket, 'resume');
      socket.on('data', () => {});
      await resume;
      return socket.readableFlowing;
    });
    t.true(heard);
  }
  await pool.close();
});

/** Whether a socket flows, believes that it does, and has taken an answer, after each of several ways to begin. */
async function begun(socket: Socket): Promise<unknown[]> {
  socket.write('x');
  while (socket.bytesRead === 0) await turn();
  await turn();
  return [socket.readableFlowing, socket.isPaused(), socket.readableLength];
}

const BEGINNINGS: Readonly<Record<string, (socket: Socket) => Promise<void> | void>> = {
  'resumed with its readable listeners just taken off': (socket) =>
    void socket.removeAllListeners('readable').resume(),
  'resumed with all listeners just taken off': (socket) => void socket.removeAllListeners().resume(),
  'listened to with all listeners just taken off': (socket) =>
    void socket.removeAllListeners().on('data', () => {}),
  'listened to after a pause, and a readable listener that has gone': async (socket) => {
    const listener = (): void => {};
    socket.pause().on('readable', listener).off('readable', listener);
    await turn();
    socket.on('data', () => {});
  },
};

for (const [beginning, begin] of Object.entries(BEGINNINGS)) {
  test(`a leased socket that is ${beginning} flows as a bare one does`, async (t) => {
    const { target, backend } = await startSystem(t);
    const pool = new BrokerPool(target);
    const bare = connect(backend.endpoint);
    await once(bare, 'connect');
    await begin(bare);
    const expected = await begun(bare);
    bare.destroy();
    t.deepEqual(expected, [true, false, 0]);
    for (let time = 0; time < 2; time++) {
      const seen = await pool.use(async ({ socket }) => {
        await begin(socket);
        return await begun(socket);
      });
      t.deepEqual(seen, expected);
    }
    await pool.close();
  });
}

test('a socket made anew has the high-water marks that Node gives to new sockets at that time', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  const first = await pool.acquire();
  t.is(first.socket.readableHighWaterMark, new Socket().readableHighWaterMark);
  const usual = getDefaultHighWaterMark(false);
  setDefaultHighWaterMark(false, 1_000);
  first.release();
  const bare = new Socket();
  setDefaultHighWaterMark(false, usual);
  const { socket } = await pool.acquire();
  t.is(socket.readableHighWaterMark, 1_000);
  t.is(socket.writableHighWaterMark, 1_000);
  t.is(bare.readableHighWaterMark, 1_000);
});

test('thirty callers who each listen for the end of their request leave no listener', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  const bare = new Socket();
  for (let count = 0; count < 30; count += 1) {
    await pool.use(async ({ socket }) => {
      t.deepEqual(socket.eventNames(), bare.eventNames());
      socket.once('error', () => t.fail()).once('close', () => t.fail());
      t.is(await echo(socket, 'word'), 'word');
    });
  }
});

test('a connection whose backend has ended its side is closed, although its caller has made it half-open', async (t) => {
  const ending: Socket[] = [];
  const { target } = await startSystem(t, {
    backend: { onConnection: (socket) => void ending.push(socket) },
  });
  const pool = new BrokerPool({ ...target, max: 1 });
  t.teardown(() => pool.destroy());
  await pool.use(async ({ socket }) => {
    socket.allowHalfOpen = true;
    const ended = once(socket.resume(), 'end');
    socket.write('x');
    while (ending.length === 0) await turn();
    ending[0]?.resume().end();
    await ended;
    t.true(socket.writable);
  });
  t.is(pool.stats().closedByReason.stale, 1);
  for (const socket of ending) socket.destroy();
});

test('a connection whose socket takes no more members, or has its handle in a member of its own, is closed', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  const changes: readonly ((socket: Socket) => unknown)[] = [
    (socket) => Object.preventExtensions(socket),
    (socket) => Object.defineProperty(socket, '_handle', { value: Reflect.get(socket, '_handle') }),
  ];
  for (const [index, change] of changes.entries()) {
    await pool.use(({ socket }) => void change(socket));
    t.is(pool.stats().closedByReason.dirty, index + 1);
    t.is(await pool.use(({ socket }) => echo(socket, 'word')), 'word');
  }
});

test('a present or former caller whose socket has no listener for errors ends no process', async (t) => {
  const { target, backend } = await startSystem(t);
  const pool = new BrokerPool({ ...target, max: 1 });
  t.teardown(() => pool.destroy());
  const lease = await pool.acquire();
  const { socket } = lease;
  await echo(socket, 'word');
  socket.removeAllListeners();
  const closed = once(pool, 'connectionClosed');
  backend.dropAll();
  // Until the end has been read, this is EPIPE; afterwards the socket is ended or destroyed.
  while (!socket.destroyed) {
    socket.write('never read');
    await turn();
  }
  await closed;
  lease.release();
  for (const use of [
    () => socket.write('late'),
    () => socket.end('late'),
    () => socket.destroy(new Error('late')),
    () => socket.emit('error', new Error('late')),
  ]) {
    use();
    await turn();
  }
  t.is(await pool.use((next) => echo(next.socket, 'word')), 'word');
});

test('a released socket fails every write with ERR_STREAM_DESTROYED and emits nothing', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  const lease = await pool.acquire();
  const { socket } = lease;
  for (const event of ['error', 'close', 'data', 'end', 'finish', 'readable'])
    socket.on(event, () => t.fail(event));
  const sent = new Promise((resolve) => socket.write('', resolve));
  lease.release();
  t.is(await sent, null, 'what was written before has been sent');
  const written = new Promise((resolve) => socket.write('late', resolve));
  const ended = new Promise((resolve) => socket.end('late', (...values: unknown[]) => resolve(values[0])));
  t.like(await written, { code: 'ERR_STREAM_DESTROYED' });
  t.like(await ended, { code: 'ERR_STREAM_DESTROYED' });
  socket.resume();
  t.is(socket.read(), null);
  socket.destroy();
  await turn();
  t.is(await pool.use((next) => echo(next.socket, 'word')), 'word');
  t.is(pool.stats().created, 1);
});
