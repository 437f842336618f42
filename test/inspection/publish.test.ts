import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { BrokerPool } from '../../src/index.js';
import { publishPools } from '../../src/inspection/publish-pools.js';
import { socketName, socketsIn } from '../../src/inspection/place.js';
import { readSnapshot } from '../../src/inspection/read-snapshot.js';
import { formatSnapshot, parseSnapshot } from '../../src/inspection/snapshot.js';
import { failureOf } from '../helpers/pools.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { onWindows, POSIX, testWhere } from '../helpers/test-where.js';

const onPosix = testWhere(!onWindows, POSIX);
const execute = promisify(execFile);

function idlePool(t: ExecutionContext): BrokerPool {
  const pool = new BrokerPool({
    serviceName: 'echo',
    wantedVersion: '1.0.0',
    brokerEndpoint: '/nonexistent',
  });
  t.teardown(() => pool.close());
  return pool;
}

/** A directory that is not there yet. */
const newDirectory = (t: ExecutionContext): string => join(temporaryDirectory(t), 'published');

onPosix('a reader gets the stats of each pool, and who publishes them', async (t) => {
  const { target } = await startSystem(t);
  const busy = new BrokerPool({ ...target, name: 'busy', maxTotal: 7 });
  const idle = idlePool(t);
  const lease = await busy.acquire();
  await using published = await publishPools([busy, idle, busy], { directory: newDirectory(t) });
  const { pools, pid, threadId, program, atMs } = await readSnapshot(published.endpoint);
  t.deepEqual({ pid, threadId, program }, { pid: process.pid, threadId: 0, program: process.argv[1] ?? '' });
  t.deepEqual(pools, [
    busy.stats(),
    // The option has no limit, which JSON cannot say.
    idle.stats(),
  ]);
  t.like(pools[0], { name: 'busy', leased: 1, maxTotal: 7 });
  t.is(pools[1]?.maxTotal, Infinity);
  const later = await readSnapshot(published.endpoint);
  t.true(later.atMs > atMs);
  lease.release();
  await busy.close();
  t.deepEqual(
    (await readSnapshot(published.endpoint)).pools.map(({ name }) => name),
    [idle.name],
  );
});

onPosix('the directory is made for this user alone', async (t) => {
  const directory = newDirectory(t);
  await using published = await publishPools(idlePool(t), { directory });
  t.is(statSync(directory).mode & 0o777, 0o700);
  t.deepEqual(socketsIn(directory), [{ pid: process.pid, path: published.endpoint }]);
});

onPosix('a directory that others may enter, a link and a file are refused', async (t) => {
  const folder = temporaryDirectory(t);
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  symlinkSync(open, join(folder, 'link'));
  writeFileSync(join(folder, 'file'), '');
  for (const [name, problem] of [
    ['open', /its directory has mode 755: chmod 700 .*open$/],
    ['link', /its directory is no directory but a symbolic link$/],
    ['file', /its directory is no directory but a file$/],
    ['missing/below', /ENOENT/],
  ] as const) {
    const error = await failureOf(publishPools(idlePool(t), { directory: join(folder, name) }));
    t.is(error.code, 'PUBLISH_FAILED');
    t.regex(error.message, problem);
  }
});

onPosix('the socket goes with the last of its pools, and with close, which is idempotent', async (t) => {
  const directory = newDirectory(t);
  const [one, other] = [idlePool(t), idlePool(t)];
  const both = await publishPools([one, other], { directory });
  const second = await publishPools(one, { directory });
  t.is(socketsIn(directory).length, 2);
  await one.close();
  while (existsSync(second.endpoint)) await new Promise(setImmediate);
  t.true(existsSync(both.endpoint));
  await other.destroy();
  while (existsSync(both.endpoint)) await new Promise(setImmediate);
  await both.close();
  const third = await publishPools(idlePool(t), { directory });
  await third.close();
  await third.close();
  t.deepEqual(readdirSync(directory), []);
});

onPosix('a pool that is closing is shown until it has closed', async (t) => {
  const { target } = await startSystem(t);
  const pool = new BrokerPool(target);
  const other = idlePool(t);
  const lease = await pool.acquire();
  await using published = await publishPools([pool, other], { directory: newDirectory(t) });
  const closing = pool.close();
  t.deepEqual(
    (await readSnapshot(published.endpoint)).pools.map(({ state }) => state),
    ['closing', 'open'],
  );
  lease.release();
  await closing;
  t.deepEqual(
    (await readSnapshot(published.endpoint)).pools.map(({ state }) => state),
    ['open'],
  );
});

onPosix('a pool that closes while the socket is made leaves none', async (t) => {
  const directory = newDirectory(t);
  const pool = idlePool(t);
  const publishing = publishPools(pool, { directory });
  await pool.close();
  await publishing;
  t.deepEqual(readdirSync(directory), []);
});

onPosix('the sockets of ended processes are removed, and nothing else', async (t) => {
  const directory = newDirectory(t);
  mkdirSync(directory, { mode: 0o700 });
  const { pid: ended } = await endedProcess();
  const names = [socketName(ended), socketName(process.pid), 'notes.txt', `${ended}.sock`];
  for (const name of names) writeFileSync(join(directory, name), '');
  await using published = await publishPools(idlePool(t), { directory });
  t.deepEqual(
    readdirSync(directory).toSorted(),
    [...names.slice(1), published.endpoint.slice(directory.length + 1)].toSorted(),
  );
});

onPosix('a socket that is served is not removed, although no process has the id in its name', async (t) => {
  const directory = newDirectory(t);
  mkdirSync(directory, { mode: 0o700 });
  const { pid } = await endedProcess();
  const path = join(directory, socketName(pid));
  const server = createServer((socket) => socket.destroy()).listen(path);
  await once(server, 'listening');
  await using published = await publishPools(idlePool(t), { directory });
  t.true(existsSync(published.endpoint));
  t.true(existsSync(path));
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

async function endedProcess(): Promise<{ pid: number }> {
  const running = execute('true');
  await running;
  return { pid: running.child.pid ?? 0 };
}

onPosix('close does not wait for a reader that reads nothing', async (t) => {
  const published = await publishPools(idlePool(t), { directory: newDirectory(t) });
  const reader = connect({ path: published.endpoint, allowHalfOpen: true });
  await once(reader, 'connect');
  await published.close();
  t.false(existsSync(published.endpoint));
  reader.destroy();
});

onPosix('a publisher that answers with something else is an error', async (t) => {
  const path = join(temporaryDirectory(t), 's.sock');
  let answer = (socket: Socket): void => void socket.end();
  const server = createServer((socket) => answer(socket)).listen(path);
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  await once(server, 'listening');
  const told = formatSnapshot({ pid: 1, threadId: 0, program: '', startedAtUnixMs: 0, atMs: 0, pools: [] });
  for (const [text, message] of [
    ['', /JSON/],
    ['{"version":2}', /of another release/],
    [told.replace('"pid":1', '"pid":"1"'), /^pid is no number$/],
    [told.replace('"pools":[]', '"pools":[{"name":"x"}]'), /^driver is no string$/],
  ] as const) {
    answer = (socket) => void socket.end(text);
    await t.throwsAsync(readSnapshot(path), { message });
  }
  answer = (socket) => void socket.destroy();
  await t.throwsAsync(readSnapshot(path));
  answer = (socket) => void socket.end(told);
  t.deepEqual(await readSnapshot(path), parseSnapshot(told));
  await t.throwsAsync(readSnapshot(`${path}x`), { code: 'ENOENT' });
});

const PROGRAM = `
  import { BrokerPool } from 'broker-pool';
  import { publishPools } from 'broker-pool/inspection';
  const pool = new BrokerPool({ serviceName: 'echo', wantedVersion: '1.0.0', brokerEndpoint: '/nonexistent' });
  const { endpoint } = await publishPools(pool);
  console.log(endpoint);
`;

for (const [how, end] of [
  ['by itself', ''],
  ['by process.exit', 'process.exit(3);'],
  ['by an uncaught error', 'throw new Error("uncaught");'],
] as const)
  onPosix(`a process that ends ${how} takes its socket along`, async (t) => {
    const runtime = temporaryDirectory(t);
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime, TMPDIR: runtime };
    const ending = execute(process.execPath, ['--input-type=module', '--eval', PROGRAM + end], { env });
    const { stdout } = await ending.catch((error: { stdout: string }) => error);
    t.true(stdout.includes('.sock'));
    t.deepEqual(readdirSync(dirname(stdout.trim())), []);
  });

for (const [what, pool, options, message] of [
  ['no pools', [], {}, /^pool must be at least one BrokerPool$/],
  ['what is no pool', 'pool', {}, /^pool must be a BrokerPool, got "pool"$/],
  ['a relative directory', undefined, { directory: 'x' }, /^directory must be an absolute path/],
  [
    'a directory too long for a socket',
    undefined,
    { directory: `/${'x'.repeat(100)}` },
    /^directory is too long/,
  ],
  [
    'an option that it does not have',
    undefined,
    { path: '/x' },
    /^options has no option "path"; it has directory$/,
  ],
] as const)
  onPosix(`publishPools refuses ${what}`, async (t) => {
    const given: unknown = pool ?? idlePool(t);
    const error = await failureOf(Reflect.apply(publishPools, undefined, [given, options]));
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, message);
  });

onPosix('publishPools refuses a pool that is closed', async (t) => {
  const pool = idlePool(t);
  await pool.close();
  t.like(await failureOf(publishPools(pool)), {
    code: 'INVALID_ARGUMENT',
    message: 'pool must be open, and is closed',
  });
});
