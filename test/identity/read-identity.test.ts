import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { readIdentity } from '../../src/identity/read-identity.js';
import { formatIdentityFile, parseIdentityFile } from '../../src/wire/identity-file.js';
import type { DaemonProcess } from '../../src/wire/messages.js';
import { anyText } from '../helpers/any-text.js';
import { failureOf } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { IDENTITY } from './kit.js';

const text = anyText(40);
const identity: fc.Arbitrary<DaemonProcess> = fc
  .record({
    pid: fc.nat(),
    exePath: text,
    namespaceId: text,
    path: text,
    startedAtUnixMs: fc.bigInt(0n, 2n ** 53n - 1n),
    bootId: text,
    exeHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    idleTimeoutSecs: fc.option(fc.nat(), { nil: undefined }),
  })
  .map(({ namespaceId, path, idleTimeoutSecs, ...fields }) => ({
    ...fields,
    ipcEndpoint: { namespaceId, path },
    exeHashAlgorithm: 'blake3',
    ...(idleTimeoutSecs === undefined ? {} : { idleTimeoutSecs }),
  }));

const read = async (path: string): Promise<DaemonProcess> => readIdentity(path);

test('an identity that was written is read again (P-26)', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(identity, (one) => {
        t.deepEqual(parseIdentityFile(formatIdentityFile(one)), one);
      }),
    );
  });
});

test('any JSON with the members is read, in any order and with others beside them (P-26)', (t) => {
  const content: Record<string, unknown> = JSON.parse(formatIdentityFile(IDENTITY));
  const turned = Object.fromEntries(Object.entries(content).toReversed());
  t.deepEqual(parseIdentityFile(JSON.stringify({ ...turned, legacy_exe_sha256: [], more: 1 })), IDENTITY);
});

const whole: Record<string, unknown> = JSON.parse(formatIdentityFile(IDENTITY));
for (const [name, wrong] of [
  ['pid', -1],
  ['pid', '5'],
  ['exe_path', null],
  ['exe_hash_algorithm', 'sha256'],
  ['exe_hash', [1, 2, 3]],
  ['exe_hash', Array.from({ length: 32 }, () => 256)],
  ['boot_id', 5],
  ['ipc_endpoint', 'text'],
  ['ipc_endpoint', { namespace_id: 'shared', path: './relative' }],
  ['started_at_unix_ms', 1.5],
  ['idle_timeout_secs', 'soon'],
] as const)
  test(`an identity file whose ${name} is ${JSON.stringify(wrong).slice(0, 40)} is refused (P-26)`, async (t) => {
    const path = join(temporaryDirectory(t), 'identity.json');
    writeFileSync(path, JSON.stringify({ ...whole, [name]: wrong }));
    const error = await failureOf(read(path));
    t.is(error.code, 'IDENTITY_FILE');
    t.true(error.message.includes(path));
  });

test('a missing file, one that is no JSON, and one that is too long are refused', async (t) => {
  const directory = temporaryDirectory(t);
  t.like(await failureOf(read(join(directory, 'missing.json'))), { code: 'IDENTITY_FILE' });
  for (const content of [
    '',
    '{"pid":',
    'null',
    '5',
    JSON.stringify({ ...whole, more: 'x'.repeat(70_000) }),
  ]) {
    const path = join(directory, 'wrong.json');
    writeFileSync(path, content);
    t.is((await failureOf(read(path))).code, 'IDENTITY_FILE', content.slice(0, 20));
  }
});

test('a directory and a device in place of the file are refused, and not read', async (t) => {
  const directory = temporaryDirectory(t);
  t.like(await failureOf(read(directory)), { code: 'IDENTITY_FILE' });
  if (process.platform === 'win32') return;
  const error = await failureOf(read('/dev/zero'));
  t.is(error.code, 'IDENTITY_FILE');
  t.regex(error.message, /is not a regular file/);
});
