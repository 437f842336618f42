import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { hashFile } from '../../src/identity/file-hash.js';
import { currentBootId } from '../../src/identity/host-identity.js';
import { verifyProcess } from '../../src/identity/verify-process.js';
import type { DaemonProcess } from '../../src/wire/messages.js';
import { failureOf } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import { IDENTITY } from './kit.js';

/** A small executable: hashing Node's takes seconds. */
const SLEEP = ['/bin/sleep', '/usr/bin/sleep'].find((path) => existsSync(path));

/** A process of a small executable, and its true identity. */
async function startProcess(t: ExecutionContext): Promise<DaemonProcess> {
  const exePath = join(realpathSync(temporaryDirectory(t)), 'service');
  copyFileSync(SLEEP ?? '', exePath);
  const child = spawn(exePath, ['100'], { stdio: 'ignore' });
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await once(child, 'spawn');
  const [bootId, exeHash] = await Promise.all([currentBootId(), hashFile(exePath)]);
  return { ...IDENTITY, pid: child.pid ?? 0, exePath, bootId, exeHash };
}

// A multi-call binary finds its name in argv[0], and macOS does not run a copy of a signed system binary.
const checked = testWhere(
  process.platform === 'linux' && SLEEP !== undefined,
  'Linux, and a program to run',
  test.serial,
);
process.env['XDG_CACHE_HOME'] = '/nonexistent';

checked('a process of that executable and boot is the one that the identity names (P-24)', async (t) => {
  await t.notThrowsAsync(verifyProcess(await startProcess(t)));
});

checked('an identity of an ended process is refused (P-24)', async (t) => {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  const error = await failureOf(verifyProcess({ ...IDENTITY, pid: child.pid ?? 0 }));
  t.is(error.code, 'IDENTITY_MISMATCH');
  t.regex(error.message, /no process has the id/);
});

for (const [what, change, message] of [
  ['another boot', { bootId: 'other' }, /another boot/],
  ['another executable', { exePath: '/bin/true' }, /runs .*service, not \/bin\/true/],
  ['another build', { exeHash: new Uint8Array(32) }, /another build/],
] satisfies [string, Partial<DaemonProcess>, RegExp][])
  checked(`an identity of ${what} is refused (P-24)`, async (t) => {
    const error = await failureOf(verifyProcess({ ...(await startProcess(t)), ...change }));
    t.is(error.code, 'IDENTITY_MISMATCH');
    t.regex(error.message, message);
  });
