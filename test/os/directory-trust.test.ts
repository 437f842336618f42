import { once } from 'node:events';
import { chmodSync, chownSync, lchownSync, mkdirSync, realpathSync, renameSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { checkAncestors } from '../../src/os/directory-trust.js';
import { checkFile, ownTrust } from '../../src/os/endpoint-trust.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

const own = process.geteuid?.() ?? -1;
const STRANGER = own + 4_242;
const trust = ownTrust();
const { userIds } = trust;

const posix = testWhere(!onWindows, 'file modes');
const asRoot = testWhere(own === 0, 'the superuser');

/** A directory in a directory in one that the test may spoil. */
function nested(t: ExecutionContext): { top: string; middle: string; directory: string } {
  // On macOS the system's own temporary directory is reached by links, which this test must not meet.
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

posix('checkAncestors trusts directories of root and of this user, and a sticky one for all users', (t) => {
  const { middle, directory } = nested(t);
  t.is(checkAncestors(directory, userIds), undefined);
  for (const mode of [0o755, 0o1777, 0o1770, 0o700]) {
    chmodSync(middle, mode);
    t.is(checkAncestors(directory, userIds), undefined, mode.toString(8));
  }
  t.is(checkAncestors('/', userIds), undefined);
  t.is(checkAncestors(`${directory}/../.././/middle/private/`, userIds), undefined);
});

posix('checkFile rejects a private directory that other users may replace', async (t) => {
  const { middle, directory } = nested(t);
  const endpoint = await listenIn(t, directory);
  for (const mode of [0o777, 0o770, 0o702]) {
    chmodSync(middle, mode);
    const problem = `others may write to ${middle}, by which it is reached: chmod go-w would help, or allow it with trust: { sharedDirectories: true }`;
    t.is(checkFile(endpoint, trust), problem, mode.toString(8));
    t.is(checkFile(endpoint, { ...trust, sharedDirectories: true }), undefined);
  }
});

posix('checkAncestors checks the directory of a link and the target of the link', (t) => {
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
    'no other user may rename a link in a sticky directory',
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

posix('checkAncestors rejects links that lead in circles', (t) => {
  const { top } = nested(t);
  symlinkSync('other', join(top, 'one'));
  symlinkSync('one', join(top, 'other'));
  t.regex(
    checkAncestors(join(top, 'one', 'private'), userIds) ?? '',
    /^the link .*(?:one|other), by which it is reached, leads nowhere$/,
  );
});

posix('checkAncestors accepts a path that does not exist', (t) => {
  const { top } = nested(t);
  t.is(checkAncestors(join(top, 'none', 'none'), userIds), undefined);
});

asRoot('checkAncestors rejects an ancestor or a link of a user who is not trusted', (t) => {
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
  'checkFile checks safe ancestors again after a second, and with the next look at another directory',
  async (t) => {
    const { middle, directory } = nested(t);
    const endpoint = await listenIn(t, directory);
    t.is(checkFile(endpoint, trust, 0), undefined);
    chmodSync(middle, 0o777);
    t.is(checkFile(endpoint, trust, 899), undefined);
    t.is(checkFile(endpoint, trust, 998), undefined);
    t.regex(checkFile(endpoint, trust, 1_000) ?? '', /^others may write to .*middle/);
    chmodSync(middle, 0o700);
    t.is(checkFile(endpoint, trust, 2_000), undefined);
    chmodSync(middle, 0o777);
    renameSync(directory, `${directory}.old`);
    mkdirSync(directory, { mode: 0o700 });
    renameSync(join(`${directory}.old`, 'peer.sock'), endpoint);
    t.regex(checkFile(endpoint, trust, 2_100) ?? '', /^others may write to .*middle/);
  },
);

posix('checkFile remembers safe ancestors for one trust only', async (t) => {
  const { directory } = nested(t);
  const endpoint = await listenIn(t, directory);
  t.is(checkFile(endpoint, trust, 0), undefined);
  chmodSync(dirname(directory), 0o777);
  t.regex(checkFile(endpoint, { ...trust, userIds: [...userIds] }, 0) ?? '', /^others may write to .*middle/);
});
