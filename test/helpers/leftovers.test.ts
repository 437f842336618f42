import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Leftovers, until } from './leftovers.js';
import test, { temporaryDirectory } from './sanitary.js';
import { endpointIn } from './endpoints.js';

const onLinux = process.platform === 'linux';

test.serial('a descriptor that stays open is named by what it leads to', (t) => {
  if (!onLinux) {
    t.pass();
    return;
  }
  const leftovers = new Leftovers();
  const descriptor = openSync('/dev/zero', 'r');
  t.true(leftovers.list().includes('descriptor: /dev/zero ×1'));
  closeSync(descriptor);
  t.false(leftovers.list().includes('descriptor: /dev/zero ×1'));
});

test.serial('a thread is left over until it has ended', async (t) => {
  if (!onLinux) {
    t.pass();
    return;
  }
  const leftovers = new Leftovers();
  const worker = new Worker('setInterval(() => {}, 1_000)', { eval: true });
  await new Promise((resolve) => worker.once('online', resolve));
  t.true(leftovers.list().includes('threads: 1'));
  await worker.terminate();
  t.true(await until(() => leftovers.list().length === 0), leftovers.list().join());
});

test.serial('a timer and a server are left over as long as they keep the process alive', async (t) => {
  const leftovers = new Leftovers();
  const timer = setTimeout(() => {}, 60_000);
  t.teardown(() => clearTimeout(timer));
  t.true(leftovers.list().includes('active: Timeout ×1'));
  timer.unref();
  t.false(leftovers.list().includes('active: Timeout ×1'));

  const path = endpointIn(temporaryDirectory(t), 'server');
  const server = createServer().listen(path);
  t.teardown(() => server.close());
  if (process.platform !== 'win32') t.true(existsSync(path));
  t.true(
    leftovers.list().some((line) => line.startsWith('active: Pipe')),
    leftovers.list().join(),
  );
  await new Promise((resolve) => server.close(resolve));
  t.true(await until(() => leftovers.list().length === 0), leftovers.list().join());
});

test.serial(
  'a first listener leaves nothing over, although Node keeps a reserve descriptor for it',
  async (t) => {
    const leftovers = new Leftovers();
    const server = createServer().listen(endpointIn(temporaryDirectory(t), 'server'));
    await new Promise((resolve) => server.close(resolve));
    t.true(await until(() => leftovers.list().length === 0), leftovers.list().join());
  },
);

test('waiting ends with the limit when the condition never holds', async (t) => {
  t.false(await until(() => false, 1));
  t.true(await until(() => true, 0));
});

test("a temporary directory is the user's alone", (t) => {
  const directory = temporaryDirectory(t);
  t.not(directory, temporaryDirectory(t));
  if (process.platform !== 'win32') t.is(statSync(directory).mode & 0o777, 0o700);
});
