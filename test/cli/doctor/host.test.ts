import { createServer } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import {
  readDescriptors,
  readListeningNames,
  realHost,
  threadProblem,
} from '../../../src/cli/doctor/host.js';
import { loadNative } from '../../../src/os/native.js';
import { THREAD_FAULT_VARIABLE } from '../../helpers/failing-worker.js';
import { hasRing } from '../../helpers/ring.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { FFI, testWhere } from '../../helpers/test-where.js';

const FAILING_WORKER = new URL('../../helpers/failing-worker.js', import.meta.url).href;
const withFfi = testWhere(loadNative() !== undefined, FFI, test.serial);

withFfi('the wait thread of the package starts, and ends again', async (t) => {
  t.is(await threadProblem(), undefined);
});

withFfi('a wait thread that cannot start has its reason as the problem', async (t) => {
  process.env[THREAD_FAULT_VARIABLE] = 'throws';
  t.teardown(() => delete process.env[THREAD_FAULT_VARIABLE]);
  t.regex((await threadProblem(FAILING_WORKER)) ?? '', /as a module may throw/);
});

test('the ring and the C library are reported as they are', (t) => {
  t.is(realHost.ffiProblem() === undefined, loadNative() !== undefined);
  t.is(loadNative() !== undefined && realHost.ringProblem() === undefined, hasRing(loadNative()));
});

test('the limit of descriptors is that of the system', (t) => {
  const folder = temporaryDirectory(t);
  t.is(readDescriptors(folder), undefined);
  mkdirSync(join(folder, 'fd'));
  for (const name of ['0', '1', '2']) writeFileSync(join(folder, 'fd', name), '');
  const line = 'Max open files            1024                 4096                 files     \n';
  writeFileSync(join(folder, 'limits'), `Limit   Soft Limit   Hard Limit   Units\n${line}`);
  t.deepEqual(readDescriptors(folder), { limit: 1_024, open: 3 });
  writeFileSync(join(folder, 'limits'), line.replace('1024', 'unlimited'));
  t.deepEqual(readDescriptors(folder), { limit: Infinity, open: 3 });
});

testWhere(process.platform === 'linux', 'Linux')(
  'sockets that listen are listed by their names',
  async (t) => {
    const path = join(temporaryDirectory(t), 'listening.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    t.true(readListeningNames('/proc/net/unix')?.has('listening.sock'));
    await new Promise((resolve) => server.close(resolve));
    t.false(readListeningNames('/proc/net/unix')?.has('listening.sock'));
    t.is(readListeningNames('/nonexistent'), undefined);
  },
);
