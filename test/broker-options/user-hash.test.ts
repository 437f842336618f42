import test from '../helpers/sanitary.js';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { shortHash, userHash } from '../../src/broker-options/user-hash.js';
import type { HostIdentitySource } from '../../src/broker-options/user-hash.js';
import { BrokerPoolError } from '../../src/errors.js';

const MACHINE_ID = '/etc/machine-id';
const DBUS_MACHINE_ID = '/var/lib/dbus/machine-id';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** A Linux machine with these files; an `Error` in place of a text is what reading the file throws. */
function linux(files: Readonly<Record<string, string | Error>>, uid = 1000) {
  const reads: string[] = [];
  const host: HostIdentitySource = {
    platform: 'linux',
    uid,
    readTextFile(path) {
      reads.push(path);
      const text = files[path] ?? Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      if (text instanceof Error) throw text;
      return text;
    },
    runCommand: () => {
      throw new Error('no command is needed on Linux');
    },
  };
  return { host, reads };
}

/** A macOS or Windows machine whose command prints `printed`. */
function commanding(platform: 'darwin' | 'win32', printed: string | Error, uid?: number) {
  const commands: string[][] = [];
  const host: HostIdentitySource = {
    platform,
    uid,
    readTextFile: () => {
      throw new Error('no file is needed');
    },
    runCommand(file, parameters) {
      commands.push([file, ...parameters]);
      if (printed instanceof Error) throw printed;
      return printed;
    },
  };
  return { host, commands };
}

function cannotDerive(t: ExecutionContext, host: HostIdentitySource, reason: RegExp): BrokerPoolError {
  const error = t.throws<BrokerPoolError>(() => userHash(undefined, host), {
    instanceOf: BrokerPoolError,
    code: 'INVALID_ARGUMENT',
    message: reason,
  });
  t.regex(error.message, /^userHash cannot be derived from this machine .*; pass a userHash/);
  return error;
}

test('a short hash is 16 lowercase hex digits', (t) => {
  fc.assert(fc.property(fc.string(), (text) => /^[0-9a-f]{16}$/.test(shortHash(text))));
  // The first 8 bytes of BLAKE3 of nothing, from the algorithm's own published test vectors.
  t.is(shortHash(''), 'af1349b9f5f9a1a6');
});

test('on Linux user id and machine id are hashed, without the line end of the file (N-01)', (t) => {
  const { host, reads } = linux({ [MACHINE_ID]: 'feed\n', [DBUS_MACHINE_ID]: 'other', [BOOT_ID]: 'boot' });
  t.is(userHash(undefined, host), shortHash('1000:feed'));
  t.deepEqual(reads, [MACHINE_ID]);
});

test('on Linux the D-Bus machine id steps in for a missing or empty machine id (N-01)', (t) => {
  t.is(
    userHash(undefined, linux({ [DBUS_MACHINE_ID]: 'beef\n', [BOOT_ID]: 'boot' }).host),
    shortHash('1000:beef'),
  );
  t.is(
    userHash(undefined, linux({ [MACHINE_ID]: ' \n', [DBUS_MACHINE_ID]: 'beef' }).host),
    shortHash('1000:beef'),
  );
});

test('on Linux without any machine id the boot id is hashed, marked as such (N-01)', (t) => {
  t.is(userHash(undefined, linux({ [BOOT_ID]: '1111-2222\n' }).host), shortHash('1000:boot:1111-2222'));
  t.is(
    userHash(undefined, linux({ [MACHINE_ID]: '', [DBUS_MACHINE_ID]: '', [BOOT_ID]: '1111-2222\n' }).host),
    shortHash('1000:boot:1111-2222'),
  );
});

test('a machine id that cannot be read is an error, for others of the same user may read it (N-01)', (t) => {
  const refused = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  for (const files of [{ [MACHINE_ID]: refused }, { [DBUS_MACHINE_ID]: refused }]) {
    const { host } = linux({ ...files, [BOOT_ID]: 'boot' });
    const error = cannotDerive(t, host, /cannot read \/.*machine-id: EACCES: permission denied/);
    t.is(error.cause, refused);
  }
});

test('a Linux machine without any id is an error', (t) => {
  cannotDerive(t, linux({}).host, /none of \/etc\/machine-id, .* holds an id/);
  cannotDerive(t, linux({ [BOOT_ID]: '\n' }).host, /holds an id/);
});

test('on macOS user id and IOPlatformUUID are hashed (N-01)', (t) => {
  const printed = [
    '+-o J314sAP  <class IOPlatformExpertDevice, id 0x100000227, registered, matched, active, busy 0>',
    '    {',
    '      "IOPlatformSerialNumber" = "SERIAL"',
    '      "IOPlatformUUID" = "ABCDEF01-2345-6789-ABCD-EF0123456789"',
    '    }',
  ].join('\n');
  const { host, commands } = commanding('darwin', printed, 501);
  t.is(userHash(undefined, host), shortHash('501:ABCDEF01-2345-6789-ABCD-EF0123456789'));
  t.deepEqual(commands, [['/usr/sbin/ioreg', '-rd1', '-c', 'IOPlatformExpertDevice']]);
});

test('a Mac without UUID, or without a working ioreg, is an error', (t) => {
  cannotDerive(t, commanding('darwin', '{ "IOPlatformUUID" = "" }', 501).host, /no IOPlatformUUID/);
  const failure = new Error('spawnSync /usr/sbin/ioreg ETIMEDOUT');
  t.is(cannotDerive(t, commanding('darwin', failure, 501).host, /ioreg failed: .*ETIMEDOUT/).cause, failure);
});

test('on Windows the raw bytes of the SID are hashed, not its text (N-01, N-02)', (t) => {
  // Bytes by the definition of the SID: revision, count, authority (big-endian), sub-authorities
  // (little-endian).
  const sids = [
    ['S-1-5-18', '01 01 000000000005 12000000'],
    ['S-1-5-21-1-4294967295-256-1001', '01 05 000000000005 15000000 01000000 ffffffff 00010000 e9030000'],
    ['S-1-0x010203040506-7', '01 01 010203040506 07000000'],
  ] as const;
  for (const [sid, bytes] of sids) {
    const hashed = shortHash(`windows-sid:${bytes.replaceAll(' ', '')}`);
    const { host, commands } = commanding('win32', `"desk top\\o'neil, ""x""","${sid}"\r\n`);
    t.is(userHash(undefined, host), hashed);
    t.is(userHash(1000, host), hashed, 'a Windows user has no number');
    t.deepEqual(commands[0]?.slice(1), ['/user', '/fo', 'csv', '/nh']);
    t.regex(commands[0]?.[0] ?? '', /^[A-Z]:\\.*\\System32\\whoami\.exe$/i);
  }
});

test('a Windows machine that prints no well-formed SID is an error', (t) => {
  for (const sid of [
    '',
    'S-1-5',
    'S-2-5-18',
    'S-1-5-',
    'S-1-5-18-',
    'S-1-5-4294967296',
    `S-1-5${'-1'.repeat(16)}`,
    'S-1-x-1',
  ]) {
    cannotDerive(t, commanding('win32', `"desktop\\me","${sid}"\r\n`).host, /no user SID/);
  }
  cannotDerive(t, commanding('win32', new Error('ENOENT')).host, /whoami\.exe failed: ENOENT/);
});

test('on systems without a rule there is no user hash', (t) => {
  cannotDerive(t, { ...linux({ [MACHINE_ID]: 'feed' }).host, platform: 'freebsd' }, /no rule for freebsd/);
});

test('another user of the same machine has another hash', (t) => {
  const { host } = linux({ [MACHINE_ID]: 'feed' });
  t.is(userHash(0, host), shortHash('0:feed'));
  t.not(userHash(0, host), userHash(undefined, host));
});

test('a POSIX user without a number is an error', (t) => {
  const host = { ...linux({ [MACHINE_ID]: 'feed' }).host, uid: undefined };
  t.throws(() => userHash(undefined, host), { code: 'INVALID_ARGUMENT', message: /^uid must be given/ });
});

test('the machine is asked once, but again after a failure', (t) => {
  const { host, reads } = linux({ [MACHINE_ID]: 'feed' });
  for (let call = 0; call < 3; call++) userHash(call, host);
  t.is(reads.length, 1);
  const failing = commanding('darwin', new Error('busy'), 501);
  for (let call = 0; call < 2; call++) t.throws(() => userHash(undefined, failing.host));
  t.is(failing.commands.length, 2);
});
