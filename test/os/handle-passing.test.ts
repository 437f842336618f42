import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import { errno } from '../../src/os/errno.js';
import { loadHandlePassing } from '../../src/os/handle-passing.js';
import { loadNative } from '../../src/os/native.js';
import { encodeAddress } from '../../src/os/socket.js';
import { descriptorOf } from '../../src/os/socket-handle.js';

const loaded = loadHandlePassing();
const system = loadNative()?.system;
const EAGAIN = -(errno['EAGAIN'] ?? 0);
const TOKEN = Buffer.from('0123456789abcdef');

/** Two connected sockets: one that is only a descriptor, one accepted by Node and never read by it. */
async function connectedPair(t: ExecutionContext) {
  if (loaded === undefined || system === undefined) throw new Error('no FFI');
  const directory = mkdtempSync(join(tmpdir(), 'broker-pool-'));
  const path = join(directory, 'pair.sock');
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const near = system.openSocket();
  system.connect(near, encodeAddress(path));
  const [accepted]: Socket[] = await once(server, 'connection');
  if (accepted === undefined) throw new Error('nothing accepted');
  const opened: number[] = [];
  t.teardown(() => {
    accepted.destroy();
    server.close();
    for (const descriptor of opened) system.close(descriptor);
    rmSync(directory, { recursive: true, force: true });
  });
  const closeNear = (): void => {
    system.close(near);
    opened.splice(opened.indexOf(near), 1);
  };
  opened.push(near);
  return { passing: loaded, near, far: descriptorOf(accepted), opened, closeNear };
}

const withFfi = testWhere(loaded !== undefined, 'the C library');

withFfi(
  'receiveHandle returns a new descriptor of the same file, with the bytes it was sent with',
  async (t) => {
    const { far, near, opened, passing } = await connectedPair(t);
    const sent = openSync(process.execPath, 'r');
    t.is(passing.sendHandle(near, TOKEN, sent), TOKEN.length);
    const into = new Uint8Array(16);
    const { bytes, descriptor } = passing.receiveHandle(far, into);
    opened.push(descriptor);
    t.is(bytes, 16);
    t.deepEqual(Buffer.from(into), TOKEN);
    t.not(descriptor, sent);
    t.is(fstatSync(descriptor).ino, fstatSync(sent).ino);
    closeSync(sent);
    t.true(fstatSync(descriptor).isFile(), 'it outlives the one that was sent');
  },
);

test('loadHandlePassing returns undefined for an unknown architecture', (t) => {
  for (const architecture of ['arm', 'ia32', 's390x', 'ppc64'])
    t.is(loadHandlePassing(architecture), undefined);
});

const onLinux = testWhere(process.platform === 'linux', 'Linux', withFfi);

onLinux('a received descriptor is not inherited by child processes', async (t) => {
  const { far, near, opened, passing } = await connectedPair(t);
  passing.sendHandle(near, TOKEN, near);
  const { descriptor } = passing.receiveHandle(far, new Uint8Array(16));
  opened.push(descriptor);
  const flags = /flags:\s*([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
  t.not(Number.parseInt(flags ?? '0', 8) & 0o2000000, 0);
});

withFfi('receiveHandle reads no more bytes than there is room for (H-05)', async (t) => {
  const { far, near, opened, passing } = await connectedPair(t);
  passing.sendHandle(near, TOKEN, near);
  system?.send(near, Buffer.from('frame'));
  const first = passing.receiveHandle(far, new Uint8Array(10));
  opened.push(first.descriptor);
  t.is(first.bytes, 10);
  t.true(first.descriptor >= 0, 'the descriptor comes with the first byte');
  t.deepEqual(passing.receiveHandle(far, new Uint8Array(6)), { bytes: 6, descriptor: -1 });
  const rest = new Uint8Array(16);
  t.deepEqual(passing.receiveHandle(far, rest), { bytes: 5, descriptor: -1 });
  t.is(Buffer.from(rest.subarray(0, 5)).toString(), 'frame');
});

withFfi('receiveHandle returns EAGAIN without data, and 0 bytes after the end', async (t) => {
  const { closeNear, far, passing } = await connectedPair(t);
  t.deepEqual(passing.receiveHandle(far, new Uint8Array(16)), { bytes: EAGAIN, descriptor: -1 });
  closeNear();
  t.deepEqual(passing.receiveHandle(far, new Uint8Array(16)), { bytes: 0, descriptor: -1 });
});

withFfi('sendHandle returns EAGAIN at once on a full socket (H-07)', async (t) => {
  const { near, passing } = await connectedPair(t);
  let result = 0;
  while (result >= 0) result = system?.send(near, new Uint8Array(65_536)) ?? 0;
  t.is(passing.sendHandle(near, TOKEN, near), EAGAIN);
});

withFfi('an invalid descriptor can neither be sent nor received from', async (t) => {
  const { far, near, passing } = await connectedPair(t);
  t.is(passing.sendHandle(near, TOKEN, 1_000_000), -(errno['EBADF'] ?? 0));
  t.deepEqual(passing.receiveHandle(far, new Uint8Array(16)), { bytes: EAGAIN, descriptor: -1 });
  t.is(passing.receiveHandle(1_000_000, new Uint8Array(16)).bytes, -(errno['EBADF'] ?? 0));
});
