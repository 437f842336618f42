import type { ExecutionContext } from 'ava';
import { PIPE_PREFIX, checkEndpoint } from '../src/endpoint.js';
import { BrokerPoolError } from '../src/errors.js';
import test from './helpers/sanitary.js';

function refuses(t: ExecutionContext, check: () => unknown, message: string | RegExp): void {
  t.throws(check, { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT', message });
}

const notText = [undefined, null, 1, true, 2n, {}, ['a'], () => 'a', Symbol('a')];

test('an absolute path is an endpoint on POSIX systems and comes back unchanged', (t) => {
  for (const platform of ['linux', 'darwin', 'freebsd'] as const) {
    t.is(checkEndpoint('brokerEndpoint', '/run/a b/./broker.sock', platform), '/run/a b/./broker.sock');
    for (const value of [
      '',
      'broker.sock',
      './broker.sock',
      '/run/a\0b',
      `${PIPE_PREFIX}broker`,
      '@broker',
      ...notText,
    ]) {
      refuses(
        t,
        () => checkEndpoint('brokerEndpoint', value, platform),
        /^brokerEndpoint must be an absolute path.*, got /,
      );
    }
  }
});

test('an abstract name is an endpoint on Linux only', (t) => {
  t.is(checkEndpoint('brokerEndpoint', '\0broker', 'linux'), '\0broker');
  refuses(t, () => checkEndpoint('brokerEndpoint', '\0', 'linux'), /got "\\u0000"$/);
  refuses(
    t,
    () => checkEndpoint('brokerEndpoint', '\0broker', 'darwin'),
    'brokerEndpoint must be an absolute path, got "\\u0000broker"',
  );
  refuses(
    t,
    () => checkEndpoint('brokerEndpoint', '\0broker', 'win32'),
    /^brokerEndpoint must be the name of a pipe .*, got "\\u0000broker"$/,
  );
});

test('a Windows pipe may be named with or without its prefix, which is taken off once (N-06)', (t) => {
  t.is(checkEndpoint('brokerEndpoint', 'broker', 'win32'), '\\\\.\\pipe\\broker');
  t.is(checkEndpoint('brokerEndpoint', '\\\\.\\pipe\\broker', 'win32'), '\\\\.\\pipe\\broker');
  t.is(checkEndpoint('brokerEndpoint', 'a..b', 'win32'), '\\\\.\\pipe\\a..b');
  t.is(checkEndpoint('brokerEndpoint', 'pipe\\broker', 'win32'), '\\\\.\\pipe\\pipe\\broker');
});

test('every spelling of the prefix of a Windows pipe leads to the same endpoint', (t) => {
  for (const prefix of [
    '\\\\.\\pipe\\',
    '//./pipe/',
    '\\\\?\\pipe\\',
    '//?/pipe/',
    '\\\\.\\PIPE\\',
    '\\\\.\\Pipe\\',
    '\\/./pipe\\',
  ]) {
    t.is(
      checkEndpoint('brokerEndpoint', `${prefix}Docker_engine`, 'win32'),
      '\\\\.\\pipe\\Docker_engine',
      prefix,
    );
    t.is(checkEndpoint('brokerEndpoint', `${prefix}a/b\\c`, 'win32'), '\\\\.\\pipe\\a\\b\\c', prefix);
  }
  t.is(
    checkEndpoint('brokerEndpoint', '\\\\.\\pipe\\c:d', 'win32'),
    '\\\\.\\pipe\\c:d',
    'behind the prefix a colon is a character like any other',
  );
});

test('names that are no pipes of this machine are refused on Windows', (t) => {
  const files = [
    'C:\\x.sock',
    'c:/x.sock',
    'C:x',
    '/tmp/x.sock',
    '\\x',
    '\\\\?\\C:\\x',
    '\\\\.\\C:\\x',
    '\\\\.\\COM1',
  ];
  const otherMachines = [
    '\\\\localhost\\pipe\\x',
    '//localhost/pipe/x',
    '\\\\?\\UNC\\localhost\\pipe\\x',
    '\\\\127.0.0.1\\pipe\\x',
  ];
  const elsewhere = [
    '..',
    '.',
    `${PIPE_PREFIX}..\\C:\\broker`,
    'a/../broker',
    'a\\.\\b',
    'a//b',
    'a\\',
    `${PIPE_PREFIX}\\x`,
    `${PIPE_PREFIX}${PIPE_PREFIX}broker`,
  ];
  for (const value of [
    '',
    PIPE_PREFIX,
    '//./pipe/',
    '\\\\.\\pipe',
    'a\0b',
    ...files,
    ...otherMachines,
    ...elsewhere,
    ...notText,
  ]) {
    refuses(
      t,
      () => checkEndpoint('brokerEndpoint', value, 'win32'),
      /^brokerEndpoint must be the name of a pipe of this machine: .*, got /,
    );
  }
});

test('an endpoint may be as long as a socket address allows, in bytes, and no longer (N-07)', (t) => {
  const longest = [
    { platform: 'linux', start: '/', bytes: 107 },
    { platform: 'linux', start: '\0', bytes: 108 },
    { platform: 'darwin', start: '/', bytes: 103 },
    { platform: 'freebsd', start: '/', bytes: 103 },
  ] as const;
  for (const { platform, start, bytes } of longest) {
    const fits = start.padEnd(bytes, 'x');
    t.is(checkEndpoint('brokerEndpoint', fits, platform), fits);
    // Two bytes in one character: one byte too long in as many characters.
    for (const tooLong of [`${fits}x`, `${fits.slice(0, -1)}é`]) {
      refuses(
        t,
        () => checkEndpoint('brokerEndpoint', tooLong, platform),
        new RegExp(`^brokerEndpoint is ${bytes + 1} bytes long, the limit on ${platform} is ${bytes}: "`),
      );
    }
  }
});

test('a pipe name may be 260 UTF-16 units long, its prefix included (N-07)', (t) => {
  const units = 260 - PIPE_PREFIX.length;
  // A clef is one character, two UTF-16 units and four bytes.
  for (const longest of [
    'x'.repeat(units),
    'é'.repeat(units),
    '𝄞'.repeat(Math.floor(units / 2)).padEnd(units, 'x'),
  ]) {
    t.is(checkEndpoint('brokerEndpoint', longest, 'win32'), PIPE_PREFIX + longest);
    refuses(
      t,
      () => checkEndpoint('brokerEndpoint', `${longest}x`, 'win32'),
      /^brokerEndpoint is 261 UTF-16 units long, the limit on win32 is 260: "/,
    );
  }
});
