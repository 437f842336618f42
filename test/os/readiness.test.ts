import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { loadNative } from '../../src/os/native.js';
import { hasHungUp } from '../../src/os/hang-up.js';
import { loadListeningCalls } from '../../src/os/listening.js';
import { watchReadable } from '../../src/os/readiness.js';
import { descriptorOf } from '../../src/os/socket-handle.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { FFI, testWhere } from '../helpers/test-where.js';

const system = loadNative()?.system;
const withFfi = testWhere(system !== undefined, FFI);

/** A client, and its connection on the other side, which Node has not begun to read. */
async function pair(t: ExecutionContext): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const path = join(temporaryDirectory(t), 's.sock');
  server.listen(path);
  await once(server, 'listening');
  const client = connect({ path, allowHalfOpen: true });
  const [accepted]: Socket[] = await once(server, 'connection');
  t.teardown(() => {
    client.destroy();
    accepted?.destroy();
    server.close();
  });
  return { client, accepted: accepted! };
}

withFfi('a watched socket tells of bytes, and the bytes stay for a system call', async (t) => {
  const { accepted, client } = await pair(t);
  let calls = 0;
  const told = new Promise<void>((resolve) => {
    const stop = watchReadable(accepted, () => {
      calls++;
      // Until they are read it tells again.
      if (calls < 3) return;
      stop();
      resolve();
    });
  });
  await new Promise(setImmediate);
  t.is(calls, 0, 'nothing has come');
  client.write('hello');
  await told;
  const into = new Uint8Array(8);
  t.is(system?.receive(descriptorOf(accepted), into), 5);
  t.is(String(Buffer.from(into.subarray(0, 5))), 'hello');
  await new Promise(setImmediate);
  t.is(calls, 3, 'stopped');
});

withFfi('a watched socket tells of the end of the stream, and can still write and end', async (t) => {
  const { accepted, client } = await pair(t);
  const told = new Promise<number | undefined>((resolve) => {
    const stop = watchReadable(accepted, () => {
      stop();
      resolve(system?.receive(descriptorOf(accepted), new Uint8Array(8)));
    });
  });
  client.end();
  t.is(await told, 0);
  accepted.end('bye');
  const [chunk]: Buffer[] = await once(client, 'data');
  t.is(String(chunk), 'bye');
});

withFfi('a peer that closes has hung up, and one that ends its side has not', async (t) => {
  const { accepted, client } = await pair(t);
  accepted.resume();
  t.false(hasHungUp(descriptorOf(accepted)));
  client.end();
  await once(accepted, 'end');
  t.false(hasHungUp(descriptorOf(accepted)));
  client.destroy();
  if (!client.closed) await once(client, 'close');
  t.true(hasHungUp(descriptorOf(accepted)));
  t.false(hasHungUp(-1));
});

withFfi('a listening socket is told from a connected one, and from no socket', async (t) => {
  const calls = loadListeningCalls();
  const { accepted } = await pair(t);
  const server = createServer().listen(join(temporaryDirectory(t), 'l.sock'));
  await once(server, 'listening');
  const handle: unknown = Reflect.get(server, '_handle');
  t.is(calls?.isListening(Number(Reflect.get(Object(handle), 'fd'))), 1);
  t.is(calls?.isListening(descriptorOf(accepted)), 0);
  t.true((calls?.isListening(9_999) ?? 0) < 0);
  server.close();
});
