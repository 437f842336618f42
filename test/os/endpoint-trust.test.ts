import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join, relative } from 'node:path';
import type { ExecutionContext } from 'ava';
import { errno } from '../../src/os/errno.js';
import { checkFile, checkPeer, ownTrust, peerOf } from '../../src/os/endpoint-trust.js';
import { loadNative } from '../../src/os/native.js';
import { encodeAddress } from '../../src/os/socket.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

const own = process.geteuid?.() ?? -1;
const STRANGER = own + 4_242;
const trust = ownTrust();
const system = loadNative()?.system;

const posix = testWhere(!onWindows, 'socket files');
const asRoot = testWhere(own === 0, 'the superuser');
const withFfi = testWhere(system !== undefined, 'the C library');

async function listen(
  t: ExecutionContext,
  directory = temporaryDirectory(t),
): Promise<{ directory: string; endpoint: string; server: Server }> {
  const endpoint = join(directory, 'peer.sock');
  const server = createServer().listen(endpoint);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
  });
  return { directory, endpoint, server };
}

posix('checkFile trusts a socket of this user in a directory of this user', async (t) => {
  const { endpoint } = await listen(t);
  t.is(checkFile(endpoint, trust), undefined);
});

posix(
  'a directory that others may write to is not trusted, unless shared directories are allowed',
  async (t) => {
    const { directory, endpoint } = await listen(t);
    for (const mode of [0o777, 0o720, 0o702, 0o1777]) {
      chmodSync(directory, mode);
      const advice = mode === 0o1777 ? 'move the socket to a directory of your own' : 'chmod go-w would help';
      t.is(
        checkFile(endpoint, trust),
        `others may write to its directory ${directory}: ${advice}, or allow it with trust: { sharedDirectories: true }`,
      );
      t.is(checkFile(endpoint, { ...trust, sharedDirectories: true }), undefined);
    }
    chmodSync(directory, 0o755);
    t.is(checkFile(endpoint, trust), undefined, 'others may look');
  },
);

posix('checkFile names the kind of a file in place of the socket', (t) => {
  const directory = temporaryDirectory(t);
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('file'), '');
  mkdirSync(path('folder'), { mode: 0o700 });
  symlinkSync(path('file'), path('link'));
  t.is(checkFile(path('file'), trust), 'it is no socket but a file');
  t.is(checkFile(path('folder'), trust), 'it is no socket but a directory');
  t.is(
    checkFile(path('link'), trust),
    'it is no socket but a symbolic link: name the socket that it leads to',
  );
});

posix('checkFile does not follow a directory that is a link, also with slashes and dots', async (t) => {
  const { directory } = await listen(t);
  const link = join(temporaryDirectory(t), 'link');
  symlinkSync(directory, link);
  for (const written of [link, `${link}/`, `${link}/.`, `/${link}`, `${link}//.///.`]) {
    t.regex(
      checkFile(`${written}/peer.sock`, trust) ?? '',
      /is no directory but a symbolic link: name the one that it leads to, or allow it with trust: \{ sharedDirectories: true \}$/,
    );
    t.is(checkFile(`${written}/peer.sock`, { ...trust, sharedDirectories: true }), undefined);
  }
});

posix(
  'a socket whose name has a NUL is not trusted: some systems would dial the part in front of it',
  async (t) => {
    const { endpoint } = await listen(t);
    t.is(checkFile(`${endpoint}\0evil`, trust), 'there is a NUL in its name');
  },
);

asRoot('checkFile rejects a socket or a directory of a user who is not trusted', async (t) => {
  const { directory, endpoint } = await listen(t);
  const trusted = { ...trust, userIds: [own, STRANGER] };
  chownSync(endpoint, STRANGER, STRANGER);
  const advice = `if you trust that user, allow it with trust: { userIds: [${STRANGER}] }`;
  t.is(checkFile(endpoint, trust, 0), `it belongs to user ${STRANGER}: ${advice}`);
  t.is(checkFile(endpoint, trusted), undefined);
  chownSync(directory, STRANGER, STRANGER);
  t.is(checkFile(endpoint, trust, 100), `its directory ${directory} belongs to user ${STRANGER}: ${advice}`);
  t.is(checkFile(endpoint, trusted), undefined);
  chownSync(directory, own, own);
});

posix('checkFile looks at a safe directory again after 100 ms, and at the socket each time', async (t) => {
  const { directory, endpoint } = await listen(t);
  t.is(checkFile(endpoint, trust, 0), undefined);
  chmodSync(directory, 0o777);
  t.is(checkFile(endpoint, trust, 99), undefined);
  t.regex(checkFile(endpoint, trust, 100) ?? '', /^others may write to its directory/);
  chmodSync(directory, 0o700);
  t.is(checkFile(endpoint, trust, 100), undefined, 'a refusal is not remembered');
  rmSync(endpoint);
  writeFileSync(endpoint, '');
  t.is(checkFile(endpoint, trust, 101), 'it is no socket but a file');
});

posix('checkFile remembers a safe directory for one trust, and none with shared directories', async (t) => {
  const { directory, endpoint } = await listen(t);
  const shared = { ...trust, sharedDirectories: true };
  t.is(checkFile(endpoint, shared, 0), undefined);
  t.is(checkFile(endpoint, trust, 0), undefined);
  chmodSync(directory, 0o777);
  t.regex(
    checkFile(endpoint, { ...trust, userIds: [...trust.userIds] }, 0) ?? '',
    /^others may write to its directory/,
  );
});

test('the own trust is one object for one user, and no caller can change it', (t) => {
  t.is(ownTrust(), trust);
  t.true(Object.isFrozen(trust) && Object.isFrozen(trust.userIds));
});

posix('checkFile rejects a relative path', async (t) => {
  const { endpoint } = await listen(t);
  t.is(checkFile(endpoint, trust), undefined);
  for (const path of [relative(process.cwd(), endpoint), 'peer.sock', './peer.sock', ''])
    t.is(checkFile(path, trust), 'its path is not absolute');
});

test('checkFile accepts a missing file and an abstract name', (t) => {
  t.is(checkFile(join(temporaryDirectory(t), 'none', 'none.sock'), trust), undefined);
  t.is(checkFile('\0abstract', trust), undefined);
});

withFfi('the kernel names the user and the process at the other end (V-53)', async (t) => {
  const { endpoint } = await listen(t);
  const descriptor = system?.openSocket() ?? -1;
  t.is(system?.connect(descriptor, encodeAddress(endpoint)), 0);
  t.deepEqual(peerOf(descriptor), { userId: own, processId: process.platform === 'linux' ? process.pid : 0 });
  t.is(checkPeer(descriptor, trust), undefined);
  const advice = `if you trust that user, allow it with trust: { userIds: [${own}] }`;
  t.is(
    checkPeer(descriptor, { ...trust, userIds: [STRANGER] }),
    `the process behind it runs as user ${own}: ${advice}`,
  );
  system?.close(descriptor);
});

withFfi('checkPeer rejects a descriptor without a peer', (t) => {
  t.is(peerOf(1_000_000), -(errno['EBADF'] ?? 0));
  t.regex(checkPeer(1_000_000, trust) ?? '', /does not say who is behind it \(EBADF\)/);
});
