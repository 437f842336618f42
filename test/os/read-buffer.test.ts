import { once } from 'node:events';
import { inspect } from 'node:util';
import { BrokerPool } from '../../src/index.js';
import { READ_BUFFER, READ_MEMBERS } from '../../src/os/read-buffer.js';
import test from '../helpers/sanitary.js';
import { echo, startSystem } from '../helpers/system.js';

const READ_BYTES = 64 * 1024;

test('this Node keeps the parts of onread under symbols of the socket', (t) => {
  t.is(READ_MEMBERS?.buffer.description, 'kBuffer');
  t.is(READ_MEMBERS?.callback.description, 'kBufferCb');
});

test('the read buffer cannot be transferred, and a console shows none of its bytes', async (t) => {
  READ_BUFFER.write('a secret');
  t.is(inspect({ socket: { buffer: READ_BUFFER } }, { depth: 9 }), '{ socket: { buffer: <read buffer> } }');
  const { buffer } = READ_BUFFER;
  if (!(buffer instanceof ArrayBuffer)) return t.fail();
  // Later Nodes throw, earlier ones copy.
  await Promise.resolve()
    .then(() => structuredClone(READ_BUFFER, { transfer: [buffer] }))
    .catch(() => {});
  t.is(READ_BUFFER.length, READ_BYTES);
});

test('an assertion that prints a socket or a lease shows no bytes of other connections, and is short', async (t) => {
  const pool = new BrokerPool((await startSystem(t)).target);
  t.teardown(() => pool.destroy());
  const lease = await pool.acquire();
  const { socket } = lease;
  READ_BUFFER.fill('secret');
  for (const value of [lease, socket]) {
    // As node:assert prints the two values that it compares.
    const text = inspect(value, {
      compact: false,
      customInspect: false,
      depth: 1_000,
      maxArrayLength: Infinity,
      maxStringLength: null,
      getters: true,
    });
    t.false(text.replaceAll(/\s/g, '').includes(Array.from(Buffer.from('secret')).join(',')));
    t.true(text.split('\n').length < 2_000, `${text.split('\n').length} lines`);
  }
  lease.release();
});

test('bytes that a socket has delivered stay as they are while others read', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 2 });
  t.teardown(() => pool.destroy());
  const [one, other] = [await pool.acquire(), await pool.acquire()];
  one.socket.write('first');
  const [first] = await once(one.socket, 'data');
  other.socket.write('other');
  const [second] = await once(other.socket, 'data');
  t.is(await echo(one.socket, 'again'), 'again');
  t.deepEqual([String(first), String(second)], ['first', 'other']);
  one.release();
  other.release();
});

test('a connection reads into the buffer in each of its leases, and at every length', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  for (const length of [
    1,
    65,
    4_095,
    4_096,
    4_097,
    READ_BYTES - 1,
    READ_BYTES,
    READ_BYTES + 1,
    3 * READ_BYTES,
  ])
    await pool.use(async ({ socket }) => {
      const sent = Buffer.alloc(length, `${length}.`);
      const pieces: Buffer[] = [];
      socket.write(sent);
      for (let received = 0; received < length;) {
        const [piece] = await once(socket, 'data');
        pieces.push(piece);
        received += piece.length;
      }
      t.true(Buffer.concat(pieces).equals(sent), String(length));
    });
  t.is(pool.stats().created, 1);
});

test('a paused socket stops after its buffer is full, and delivers everything when it is resumed', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  await pool.use(async ({ socket }) => {
    const sent = Buffer.alloc(20 * READ_BYTES, 'pause');
    socket.pause();
    const pieces: Buffer[] = [];
    let received = 0;
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      received += piece.length;
      socket.pause();
      setImmediate(() => socket.resume());
    });
    socket.write(sent);
    socket.resume();
    while (received < sent.length) await once(socket, 'data');
    t.true(Buffer.concat(pieces).equals(sent));
  });
});

test('a caller that connects its socket anew after it was destroyed gets the bytes of that connection', async (t) => {
  const { target, backend } = await startSystem(t);
  const pool = new BrokerPool({ ...target, max: 1 });
  t.teardown(() => pool.destroy());
  const lease = await pool.acquire();
  const { socket } = lease;
  socket.destroy();
  await once(socket, 'close');
  socket.connect(backend.endpoint);
  await once(socket, 'connect');
  t.is(await echo(socket, 'anew'), 'anew');
  socket.destroy();
  await once(socket, 'close');
  lease.release();
});
