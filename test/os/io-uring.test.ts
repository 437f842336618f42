import { createServer, type Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import { addressOf, connectAndSend, encodeAddress } from '../../src/os/socket.js';
import { errno } from '../../src/os/errno.js';
import { ThreadRing } from '../../src/os/io-uring.js';
import { loadNative, type Native, type SystemCalls } from '../../src/os/native.js';
import { Leftovers } from '../helpers/leftovers.js';
import { hasRing } from '../helpers/ring.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const native = loadNative();
const ringTest = testWhere(hasRing(native), 'io_uring');
const nativeTest = testWhere(native !== undefined, 'the C library');
const linuxTest = testWhere(process.platform === 'linux', 'Linux', nativeTest);

const REQUEST = Buffer.from('a request');

function loaded(): Native {
  if (native === undefined) throw new Error('no C library here');
  return native;
}

function threadRing(t: ExecutionContext): ThreadRing {
  const { binder, system } = loaded();
  if (binder === undefined) throw new Error('no C library here');
  const ring = new ThreadRing(binder, system);
  t.teardown(() => ring.close());
  return ring;
}

/**
 * A listener that collects what arrives; `received` resolves with the first bytes of each connection in turn.
 */
async function listen(t: ExecutionContext): Promise<{ endpoint: string; received: () => Promise<string> }> {
  const endpoint = `${temporaryDirectory(t)}/listener.sock`;
  const arrived: string[] = [];
  let wake = (): void => {};
  const server = createServer((socket) => {
    socket.on('data', (bytes: Buffer) => {
      arrived.push(bytes.toString());
      wake();
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(endpoint, resolve));
  t.teardown(() => closeServer(server));
  return {
    endpoint,
    received: async () => {
      while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return arrived.shift() ?? '';
    },
  };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** A listener that never accepts, with its backlog full. */
function fullListener(t: ExecutionContext, { system, binder }: Native): string {
  if (binder === undefined) throw new Error('no C library here');
  const endpoint = `${temporaryDirectory(t)}/full.sock`;
  const address = addressOf(endpoint);
  const descriptors: number[] = [system.openSocket()];
  const [listener = -1] = descriptors;
  t.true(
    binder.define('int bind(int fd, const uint8_t *address, uint32_t length)')(
      listener,
      address,
      address.length,
    ) >= 0,
  );
  t.is(binder.define('int listen(int fd, int backlog)')(listener, 1), 0);
  t.teardown(() => {
    for (const descriptor of descriptors) system.close(descriptor);
    binder.define('int unlink(const char *path)')(endpoint);
  });
  for (;;) {
    const descriptor = system.openSocket();
    descriptors.push(descriptor);
    if (system.connect(descriptor, address) < 0) return endpoint;
  }
}

ringTest('a ring connects and sends in one call, repeatedly', async (t) => {
  const { system } = loaded();
  const ring = threadRing(t);
  const { endpoint, received } = await listen(t);
  for (const request of [REQUEST, REQUEST, Buffer.from('another'), REQUEST]) {
    const descriptor = system.openSocket();
    t.deepEqual(ring.connectAndSend(descriptor, addressOf(endpoint), request), {
      connected: 0,
      sent: request.length,
    });
    t.is(await received(), request.toString());
    system.close(descriptor);
  }
});

ringTest('a failed connect sends nothing, and the next connect succeeds', async (t) => {
  const { system } = loaded();
  const ring = threadRing(t);
  const { endpoint, received } = await listen(t);
  const refused = system.openSocket();
  t.like(ring.connectAndSend(refused, addressOf(`${endpoint}.none`), REQUEST), {
    connected: -(errno['ENOENT'] ?? 0),
  });
  t.deepEqual(ring.connectAndSend(refused, addressOf(endpoint), REQUEST), {
    connected: 0,
    sent: REQUEST.length,
  });
  t.is(await received(), REQUEST.toString());
  system.close(refused);
});

ringTest('a full backlog returns EAGAIN and closes the ring', (t) => {
  const { system } = loaded();
  const endpoint = fullListener(t, loaded());
  const descriptor = system.openSocket();
  const before = new Leftovers();
  const ring = threadRing(t);
  t.like(ring.connectAndSend(descriptor, addressOf(endpoint), REQUEST), {
    connected: -(errno['EAGAIN'] ?? 0),
  });
  t.deepEqual(
    before.list().filter((line) => /^(?:threads|descriptors)/.test(line)),
    [],
    'the kernel has made no thread to try again, and the ring is closed',
  );
  system.close(descriptor);
});

ringTest('two hundred rings in a row connect and send', async (t) => {
  const { system } = loaded();
  const { endpoint, received } = await listen(t);
  for (let time = 0; time < 200; time++) {
    const ring = threadRing(t);
    const descriptor = system.openSocket();
    t.like(ring.connectAndSend(descriptor, addressOf(endpoint), REQUEST), { connected: 0 });
    t.is(await received(), REQUEST.toString());
    system.close(descriptor);
    ring.close();
  }
});

linuxTest(
  'connectAndSend tries an abstract name as it is and filled up with NULs, with and without a ring',
  async (t) => {
    const name = `\0broker-pool-test-${process.pid}`;
    const filledUp = name.padEnd(108, '\0');
    for (const listening of [name, filledUp]) {
      const { system, binder } = loaded();
      const listener = system.openSocket();
      const address = encodeAddress(listening);
      t.is(
        binder?.define('int bind(int fd, const uint8_t *address, uint32_t length)')(
          listener,
          address,
          address.length,
        ),
        0,
      );
      t.is(binder?.define('int listen(int fd, int backlog)')(listener, 4), 0);
      for (const calls of [loaded(), nativeWith({})]) {
        const attempt = connectAndSend(calls, name, REQUEST);
        if (attempt.descriptor === undefined) return t.fail();
        t.is(attempt.sent, REQUEST.length);
        system.close(attempt.descriptor);
      }
      system.close(listener);
    }
  },
);

/** The calls of this system, with some of them replaced, and no way past them. */
function nativeWith(changes: Partial<SystemCalls>): Native {
  const { polling, system } = loaded();
  return { polling, system: { ...system, ...changes } };
}

nativeTest('connectAndSend delivers the request, with and without a ring (V-21)', async (t) => {
  const { endpoint, received } = await listen(t);
  for (const calls of [loaded(), nativeWith({})]) {
    const attempt = connectAndSend(calls, endpoint, REQUEST);
    if (attempt.descriptor === undefined) return t.fail();
    t.is(attempt.sent, REQUEST.length);
    t.is(await received(), REQUEST.toString());
    loaded().system.close(attempt.descriptor);
  }
});

nativeTest('a failed connectAndSend returns the errno and leaves no descriptor open', (t) => {
  const endpoint = `${temporaryDirectory(t)}/none.sock`;
  for (const calls of [loaded(), nativeWith({})]) {
    t.deepEqual(connectAndSend(calls, endpoint, REQUEST), {
      descriptor: undefined,
      syscall: 'connect',
      result: -(errno['ENOENT'] ?? 0),
    });
  }
  const noDescriptors = nativeWith({ openSocket: () => -(errno['EMFILE'] ?? 0) });
  t.deepEqual(connectAndSend(noDescriptors, endpoint, REQUEST), {
    descriptor: undefined,
    syscall: 'socket',
    result: -(errno['EMFILE'] ?? 0),
  });
});

nativeTest('connectAndSend delivers requests after a full backlog', async (t) => {
  const full = fullListener(t, loaded());
  const { endpoint, received } = await listen(t);
  for (const target of [full, full, endpoint, full, endpoint, endpoint]) {
    const attempt = connectAndSend(loaded(), target, REQUEST);
    if (target === full) {
      t.deepEqual(attempt, { descriptor: undefined, syscall: 'connect', result: -(errno['EAGAIN'] ?? 0) });
      continue;
    }
    if (attempt.descriptor === undefined) return t.fail();
    t.is(await received(), REQUEST.toString());
    loaded().system.close(attempt.descriptor);
  }
});
