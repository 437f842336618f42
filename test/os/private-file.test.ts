import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BusyFile, PrivateFile } from '../../src/os/private-file.js';
import { RefusedFile } from '../../src/os/short-file.js';
import { systemCode } from '../../src/os/errno.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

const MAX_BYTES = 1_000;
const STRANGER = 12_345;
const onPosix = testWhere(!onWindows, 'file modes');
/** Giving a file away takes the superuser; for others there are the superuser's files. */
const asSuperuser = testWhere(process.geteuid?.() === 0, 'the superuser');
const asOrdinaryUser = testWhere((process.geteuid?.() ?? 0) !== 0, 'an ordinary user');

function newFile(t: ExecutionContext) {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'cache.json');
  return { directory, path, file: new PrivateFile(path, MAX_BYTES) };
}

function refuses(t: ExecutionContext, file: PrivateFile, message: string): void {
  t.throws(() => file.read(), { instanceOf: RefusedFile, message });
}

test('a missing file has no identity and no content', (t) => {
  const { file } = newFile(t);
  t.is(file.identify(), undefined);
  t.is(file.read(), undefined);
});

test('a written file is read back under the identity that replace() returned, and only its user may open it', (t) => {
  const { file, path, directory } = newFile(t);
  const identity = file.replace('größe', undefined);
  t.deepEqual(file.read(), { text: 'größe', identity });
  t.is(file.identify(), identity);
  if (process.platform !== 'win32') t.is(statSync(path).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(directory), ['cache.json']);
});

test('a file that has been replaced meanwhile is not replaced', (t) => {
  const { file, path, directory } = newFile(t);
  const first = file.replace('first', undefined);
  t.throws(() => file.replace('second', undefined), { instanceOf: BusyFile }, 'it was thought to be absent');
  const second = file.replace('second', first);
  t.truthy(second);
  t.throws(() => file.replace('third', first), { instanceOf: BusyFile });
  t.is(readFileSync(path, 'utf8'), 'second');
  t.deepEqual(readdirSync(directory), ['cache.json'], 'no temporary file is left');
});

test('bytes that are not UTF-8 are read as NUL', (t) => {
  const { file, path } = newFile(t);
  writeFileSync(path, Buffer.from([0x22, 0xff, 0x22]), { mode: 0o600 });
  t.is(file.read()?.text, '\0');
});

test('a file of the maximal length is read, and a longer one refused', (t) => {
  const { file, path } = newFile(t);
  writeFileSync(path, 'x'.repeat(MAX_BYTES), { mode: 0o600 });
  t.is(file.read()?.text.length, MAX_BYTES);
  writeFileSync(path, 'x'.repeat(MAX_BYTES + 1));
  refuses(t, file, 'is longer than 1000 bytes');
});

/** Files that another user may plant under the name, and the refusal of each. */
const PLANTED: Readonly<
  Record<string, readonly [plant: (path: string, directory: string) => void, message: string]>
> = {
  'a symbolic link, even to a good file': [
    (path, directory) => {
      writeFileSync(join(directory, 'good'), '', { mode: 0o600 });
      symlinkSync('good', path);
    },
    'is a symbolic link',
  ],
  'a symbolic link to nothing': [(path) => symlinkSync('nowhere', path), 'is a symbolic link'],
  'a second name of a file': [
    (path, directory) => {
      writeFileSync(join(directory, 'good'), '', { mode: 0o600 });
      linkSync(join(directory, 'good'), path);
    },
    'has more than one name',
  ],
  'a directory': [(path) => mkdirSync(path, { mode: 0o700 }), 'is not a regular file'],
  'a FIFO without a writer': [
    (path) => execFileSync('mkfifo', ['-m', '600', path], { timeout: 10_000 }),
    'is not a regular file',
  ],
  ...Object.fromEntries(
    [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666].map((mode) => [
      `a file of mode ${mode.toString(8)}`,
      [
        (path: string) => {
          writeFileSync(path, '');
          chmodSync(path, mode);
        },
        'can be opened by other users (chmod 600 would do)',
      ],
    ]),
  ),
};

for (const [title, [plant, message]] of Object.entries(PLANTED)) {
  onPosix(`${title} is refused`, (t) => {
    const { file, path, directory } = newFile(t);
    plant(path, directory);
    refuses(t, file, message);
  });
}

onPosix('a socket is refused', async (t) => {
  const { file, path } = newFile(t);
  const server = createServer().listen(path);
  await once(server, 'listening');
  refuses(t, file, 'is not a regular file');
  server.close();
  await once(server, 'close');
});

asSuperuser('a device is refused', (t) => {
  const { file, path } = newFile(t);
  try {
    execFileSync('mknod', ['-m', '600', path, 'c', '1', '3'], { timeout: 10_000, stdio: 'ignore' });
  } catch {
    t.log('this system does not allow making devices');
    t.pass();
    return;
  }
  refuses(t, file, 'is not a regular file');
});

asSuperuser('a file of another user is refused, however private', (t) => {
  const { file, path } = newFile(t);
  writeFileSync(path, '', { mode: 0o600 });
  chownSync(path, STRANGER, STRANGER);
  refuses(t, file, 'belongs to another user');
});

asOrdinaryUser('a file of the superuser is refused as well', (t) => {
  refuses(t, new PrivateFile('/etc/hosts', 1_000_000), 'belongs to another user');
});

asSuperuser('the directory of another user is refused, for writing too', (t) => {
  const { file, directory } = newFile(t);
  chownSync(directory, STRANGER, STRANGER);
  refuses(t, file, 'is in a directory of another user');
  t.throws(() => file.replace('x', undefined), { instanceOf: RefusedFile });
  t.deepEqual(readdirSync(directory), []);
});

onPosix('a directory that others may write to is refused, unless it has the sticky bit', (t) => {
  const { file, directory, path } = newFile(t);
  writeFileSync(path, 'x', { mode: 0o600 });
  for (const mode of [0o770, 0o707, 0o777]) {
    chmodSync(directory, mode);
    refuses(t, file, 'is in a directory that other users may write to');
    t.throws(() => file.replace('y', file.identify()), { instanceOf: RefusedFile });
  }
  for (const mode of [0o1777, 0o755, 0o700]) {
    chmodSync(directory, mode);
    t.is(file.read()?.text, 'x');
  }
});

test('replace() throws ENOENT below a missing directory and RefusedFile below a plain file, and creates nothing', (t) => {
  const { directory } = newFile(t);
  const missing = new PrivateFile(join(directory, 'missing', 'cache.json'), MAX_BYTES);
  t.is(missing.identify(), undefined);
  t.is(systemCode(t.throws(() => missing.replace('x', undefined))), 'ENOENT');
  writeFileSync(join(directory, 'plain'), '');
  const below = new PrivateFile(join(directory, 'plain', 'cache.json'), MAX_BYTES);
  t.throws(() => below.replace('x', undefined), { instanceOf: RefusedFile });
  t.deepEqual(readdirSync(directory), ['plain']);
});

onPosix('a file gets another identity when its mode is put right, and is read then', (t) => {
  const { file, path } = newFile(t);
  writeFileSync(path, '');
  chmodSync(path, 0o644);
  const before = file.identify();
  chmodSync(path, 0o600);
  t.not(file.identify(), before);
  t.is(file.read()?.text, '');
});

test('the temporary file is removed when its rename fails', (t) => {
  const { file, path, directory } = newFile(t);
  mkdirSync(path);
  const error = t.throws(() => file.replace('x', file.identify()));
  // Windows calls it busy.
  t.true(error instanceof BusyFile || systemCode(error) !== undefined);
  t.deepEqual(readdirSync(directory), ['cache.json']);
});

test('systemCode() is the code of a failed system call, and of no other error', (t) => {
  const failed = t.throws(() => statSync('/nowhere/at/all'));
  t.is(systemCode(failed), 'ENOENT');
  const others = [
    Object.assign(new Error('x'), { code: 'ENOENT' }),
    Object.assign(new Error('x'), { syscall: 'stat' }),
    Object.assign(new Error('x'), { syscall: 'stat', code: 2 }),
    { syscall: 'stat', code: 'ENOENT' },
    'ENOENT',
  ];
  for (const error of others) t.is(systemCode(error), undefined);
});

test('removeLeftovers() removes temporary files older than a minute, and no other files', (t) => {
  const { file, directory } = newFile(t);
  const nowMs = Date.now();
  const names = [
    'cache.json',
    'cache.json.0a1b.tmp',
    'cache.json.fresh.tmp',
    'cache.json.bak',
    'cache.json.Aa.tmp',
    'other.json.0a1b.tmp',
  ];
  for (const name of names) {
    writeFileSync(join(directory, name), '');
    const ageMs = name.includes('fresh') ? 59_000 : 61_000;
    utimesSync(join(directory, name), (nowMs - ageMs) / 1_000, (nowMs - ageMs) / 1_000);
  }
  mkdirSync(join(directory, 'cache.json.folder.tmp'));
  utimesSync(join(directory, 'cache.json.folder.tmp'), 0, 0);
  file.removeLeftovers(nowMs);
  t.deepEqual(
    readdirSync(directory).toSorted(),
    [...names.filter((name) => name !== 'cache.json.0a1b.tmp'), 'cache.json.folder.tmp'].toSorted(),
  );
});

test('removeLeftovers() does not throw without the directory', (t) => {
  const { file, directory } = newFile(t);
  renameSync(directory, `${directory}-gone`);
  t.notThrows(() => file.removeLeftovers(Date.now()));
  rmSync(`${directory}-gone`, { recursive: true });
  mkdirSync(directory);
});
