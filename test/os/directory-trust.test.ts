import { once } from 'node:events';
import { chmodSync, chownSync, lchownSync, mkdirSync, realpathSync, renameSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { checkAncestors } from '../../src/os/directory-trust.js';
import { checkFile, ownTrust } from '../../src/os/endpoint-trust.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

const own = process.geteuid?.() ?? -1;
const STRANGER = own + 4_242;
const trust = ownTrust();
const { userIds } = trust;

const posix = process.platform === 'win32' ? test.skip : test;
const asRoot = own === 0 ? test : test.skip;

/** A directory in a directory in one that the test may spoil. */
function nested(t: ExecutionContext): { top: string; middle: string; directory: string } {
  // On macOS the system's own temporary directory is reached by links; those are not what is tested.
  const top = realpathSync(temporaryDirectory(t));
  const middle = join(top, 'middle');
  const directory = join(middle, 'private');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return { top, middle, directory };
}

async function listenIn(t: ExecutionContext, directory: string): Promise<string> {
  const endpoint = join(directory, 'peer.sock');
  const server = createServer().listen(endpoint);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
  });
  return endpoint;
}

posix("a way through directories of root and of one's own is safe, a sticky one for all among them", (t) => {
  const { middle, directory } = nested(t);
  t.is(checkAncestors(directory, userIds), undefined);
  for (const mode of [0o755, 0o1777, 0o1770, 0o700]) {
    chmodSync(middle, mode);
    t.is(checkAncestors(directory, userIds), undefined, mode.toString(8));
  }
  t.is(checkAncestors('/', userIds), undefined);
  t.is(checkAncestors(`${directory}/../.././/middle/private/`, userIds), undefined);
});

posix('a private directory is no use where others may put another in its place', async (t) => {
  const { middle, directory } = nested(t);
  const endpoint = await listenIn(t, directory);
  for (const mode of [0o777, 0o770, 0o702]) {
    chmodSync(middle, mode);
    const problem = `others may write to ${middle}, by which it is reached: chmod go-w would help, or allow it with trust: { sharedDirectories: true }`;
    t.is(checkFile(endpoint, trust), problem, mode.toString(8));
    t.is(checkFile(endpoint, { ...trust, sharedDirectories: true }), undefined);
  }
});

posix('links are followed, and both where they lie and where they lead is looked at', (t) => {
  const { top, middle } = nested(t);
  const shared = join(top, 'shared');
  mkdirSync(shared);
  symlinkSync(middle, join(shared, 'absolute'));
  symlinkSync('../shared/./absolute', join(shared, 'relative'));
  for (const link of ['absolute', 'relative'])
    t.is(checkAncestors(join(shared, link, 'private'), userIds), undefined, link);
  chmodSync(shared, 0o777);
  for (const link of ['absolute', 'relative'])
    t.regex(
      checkAncestors(join(shared, link, 'private'), userIds) ?? '',
      /^others may write to .*shared, by which it is reached/,
    );
  chmodSync(shared, 0o1777);
  t.is(
    checkAncestors(join(shared, 'relative', 'private'), userIds),
    undefined,
    'nobody else may rename a link in a sticky directory',
  );
  chmodSync(middle, 0o777);
  t.regex(
    checkAncestors(join(shared, 'relative', 'private'), userIds) ?? '',
    /^others may write to .*middle, by which/,
  );
  // Not joined: that would take `..` for the way back out of the link.
  t.regex(
    checkAncestors(`${shared}/absolute/../shared`, userIds) ?? '',
    /^others may write to .*middle, by which/,
  );
});

posix('links that lead in circles are not trusted', (t) => {
  const { top } = nested(t);
  symlinkSync('other', join(top, 'one'));
  symlinkSync('one', join(top, 'other'));
  t.regex(
    checkAncestors(join(top, 'one', 'private'), userIds) ?? '',
    /^the link .*(?:one|other), by which it is reached, leads nowhere$/,
  );
});

posix('a way that ends early is left to the dial', (t) => {
  const { top } = nested(t);
  t.is(checkAncestors(join(top, 'none', 'none'), userIds), undefined);
});

asRoot('a directory or a link of a stranger on the way is not trusted, unless he is', (t) => {
  const { top, middle, directory } = nested(t);
  const advice = `belongs to user ${STRANGER}: if you trust that user, allow it with trust: { userIds: [${STRANGER}] }`;
  chownSync(middle, STRANGER, STRANGER);
  t.is(checkAncestors(directory, userIds), `${middle}, by which it is reached, ${advice}`);
  t.is(checkAncestors(directory, [own, STRANGER]), undefined);
  chownSync(middle, own, own);
  const link = join(top, 'link');
  symlinkSync(middle, link);
  lchownSync(link, STRANGER, STRANGER);
  t.is(checkAncestors(join(link, 'private'), userIds), `${link}, by which it is reached, ${advice}`);
  t.is(checkAncestors(join(link, 'private'), [own, STRANGER]), undefined);
});

posix(
  'a way that was safe is looked at again after a second, and at once when it leads to another directory',
  async (t) => {
    const { middle, directory } = nested(t);
    const endpoint = await listenIn(t, directory);
    t.is(checkFile(endpoint, trust, 0), undefined);
    chmodSync(middle, 0o777);
    t.is(checkFile(endpoint, trust, 999), undefined);
    t.regex(checkFile(endpoint, trust, 1_000) ?? '', /^others may write to .*middle/);
    chmodSync(middle, 0o700);
    t.is(checkFile(endpoint, trust, 2_000), undefined);
    chmodSync(middle, 0o777);
    renameSync(directory, `${directory}.old`);
    mkdirSync(directory, { mode: 0o700 });
    renameSync(join(`${directory}.old`, 'peer.sock'), endpoint);
    t.regex(checkFile(endpoint, trust, 2_000) ?? '', /^others may write to .*middle/);
  },
);

posix('what was safe for one trust is not for another', async (t) => {
  const { directory } = nested(t);
  const endpoint = await listenIn(t, directory);
  t.is(checkFile(endpoint, trust, 0), undefined);
  chmodSync(dirname(directory), 0o777);
  t.regex(checkFile(endpoint, { ...trust, userIds: [...userIds] }, 0) ?? '', /^others may write to .*middle/);
});
