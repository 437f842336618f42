import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import type { ExecutionContext } from 'ava';
import { BrokerPool } from '../../../src/index.js';
import { publishPools } from '../../../src/inspection/publish-pools.js';
import { inspectionDirectory, socketName } from '../../../src/inspection/place.js';
import { formatSnapshot } from '../../../src/inspection/snapshot.js';
import { temporaryDirectory } from '../../helpers/sanitary.js';
import { testWhere } from '../../helpers/test-where.js';
import { runIn, start } from '../run.js';

// Elsewhere the directory does not depend on the environment that a test gives.
const onLinux = testWhere(process.platform === 'linux', 'Linux');
const ENTER = '\u001B[?1049h';
const LEAVE = '\u001B[?7h\u001B[?25h\u001B[?1049l';

/** A pool that this process publishes, in a runtime directory of its own. */
async function publish(t: ExecutionContext) {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const directory = inspectionDirectory(env);
  const options = {
    serviceName: 'echo',
    wantedVersion: '1.0.0',
    brokerEndpoint: '/nonexistent',
    name: t.title,
  };
  const pool = new BrokerPool({ ...options, name: options.name.slice(0, 60) });
  const published = await publishPools(pool, { directory });
  t.teardown(() => pool.close());
  t.teardown(() => published.close());
  return { env, directory, pool, published };
}

/** Keys of a terminal. */
function keyboard() {
  const modes: boolean[] = [];
  return {
    modes,
    stdin: Object.assign(new PassThrough(), { setRawMode: (isRaw: boolean) => modes.push(isRaw) }),
  };
}

onLinux('top --once prints one table after an interval', async (t) => {
  const { env, pool } = await publish(t);
  const { exitCode, stdout, stderr } = await runIn({ env }, 'top', '--once', '--interval', '100');
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
  const lines = stdout.split('\n');
  t.regex(lines[0] ?? '', new RegExp(`^process ${process.pid}   .*   up (\\d+ min )?\\d+ s$`));
  t.regex(lines[2] ?? '', /^POOL \/ TARGET +LEASED +WAITING .* FAILURES$/);
  t.true(lines[3]?.startsWith(`${pool.name}   0 connections`));
  t.false(stdout.includes('\u001B'));
});

onLinux('top --once --json prints what the process publishes at once', async (t) => {
  const { env, pool } = await publish(t);
  const { exitCode, stdout } = await runIn({ env }, 'top', String(process.pid), '--once', '--json');
  t.is(exitCode, 0);
  const report: { processes: unknown } = JSON.parse(stdout);
  t.like(report.processes, [
    { pid: process.pid, threads: [{ pid: process.pid, pools: [{ name: pool.name, max: 10 }] }] },
  ]);
});

for (const [key, name, exitCode] of [
  ['q', 'q', 0],
  ['\u0003', 'Ctrl-C', 130],
] as const)
  onLinux(`${name} gives the terminal back, with exit code ${exitCode}`, async (t) => {
    const { env } = await publish(t);
    const { stdin, modes } = keyboard();
    const { stdout, ended } = start(['top', '--interval', '100'], { env, stdin, isTTY: true });
    await once(stdout, 'data');
    stdin.write('x');
    stdin.write(key);
    const result = await ended;
    t.like(result, { exitCode, stderr: '' });
    t.true(result.stdout.endsWith(LEAVE));
    t.deepEqual(modes, [true, false]);
    t.deepEqual([stdin.listenerCount('data'), stdout.listenerCount('resize')], [0, 0]);
  });

onLinux('a signal gives the terminal back', async (t) => {
  const { env } = await publish(t);
  const controller = new AbortController();
  const { stdout, ended } = start(['top'], { env, isTTY: true, signal: controller.signal });
  const [first]: unknown[] = await once(stdout, 'data');
  t.true(String(first).startsWith(ENTER));
  controller.abort();
  t.true((await ended).stdout.endsWith(LEAVE));
});

onLinux('a resized terminal gets a new frame', async (t) => {
  const { env } = await publish(t);
  const { stdin } = keyboard();
  const { stdout, ended } = start(['top', '--interval', '60000'], { env, stdin, isTTY: true });
  await once(stdout, 'data');
  Object.assign(stdout, { columns: 30, rows: 3 });
  stdout.emit('resize');
  stdin.write('q');
  const { stdout: output } = await ended;
  const frames = output.split('\u001B[H').slice(1);
  t.is(frames.length, 2);
  t.is(frames[1]?.split('\r\n').length, 3);
});

onLinux('each line is cleared before it is written, the rest below them', async (t) => {
  const { env } = await publish(t);
  const { stdin } = keyboard();
  const { stdout, ended } = start(['top', '--interval', '60000'], { env, stdin, isTTY: true });
  Object.assign(stdout, { columns: 80, rows: 24 });
  await once(stdout, 'data');
  stdin.write('q');
  const [, frame = ''] = (await ended).stdout.split('\u001B[H');
  const lines = frame.slice(0, -LEAVE.length).split('\r\n');
  t.is(lines.pop(), '\u001B[J');
  for (const line of lines) t.is(line.lastIndexOf('\u001B[K'), 0);
  t.is(stripVTControlCharacters(lines[0] ?? '').length, 80, 'the row is full');
});

onLinux('top ends when the process publishes no pools any more', async (t) => {
  const { env, pool } = await publish(t);
  const { stdout, ended } = start(['top', '--interval', '100'], { env, isTTY: true });
  await once(stdout, 'data');
  await pool.close();
  const result = await ended;
  t.is(result.exitCode, 0);
  t.true(result.stdout.endsWith(LEAVE));
  t.is(result.stderr, `broker-pool top: process ${process.pid} publishes no pools any more\n`);
});

onLinux('without a terminal, tables follow each other', async (t) => {
  const { env, pool } = await publish(t);
  const { stdout, ended } = start(['top', '--interval', '100'], { env });
  await once(stdout, 'data');
  await pool.close();
  t.regex((await ended).stdout, /^process \d+.*\n\n(?:.+\n)+\n/);
});

/** A process that publishes nothing of use; returns the path of its socket. */
async function answerAs(t: ExecutionContext, directory: string, pid: number, text: string): Promise<string> {
  mkdirSync(directory, { mode: 0o700, recursive: true });
  const path = join(directory, socketName(pid));
  const server = createServer((socket) => socket.end(text)).listen(path);
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  await once(server, 'listening');
  return path;
}

const NO_POOLS = { pid: 1, threadId: 0, program: 'init', startedAtUnixMs: 0, atMs: 0, pools: [] };

onLinux('several processes are listed, and those of other releases named', async (t) => {
  const { env, directory } = await publish(t);
  await answerAs(t, directory, process.ppid, formatSnapshot(NO_POOLS));
  await answerAs(t, directory, 1, '{"version":2}');
  const { exitCode, stdout, stderr } = await runIn({ env }, 'top');
  t.is(exitCode, 0);
  t.regex(stdout, /^ +PID +POOLS .*\n(?: +\d+ .*\n){2}\nbroker-pool top PID shows the pools of one\.\n$/);
  t.is(stderr, 'broker-pool top: process 1 cannot be read: it is of another release of broker-pool\n');
});

onLinux('a process that stops answering is not taken for one that has ended', async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  let text = formatSnapshot(NO_POOLS);
  const directory = inspectionDirectory(env);
  mkdirSync(directory, { mode: 0o700 });
  const path = join(directory, socketName(1));
  const server = createServer((socket) => socket.end(text)).listen(path);
  await once(server, 'listening');
  const { stdout, ended } = start(['top', '--interval', '100'], { env, isTTY: true });
  await once(stdout, 'data');
  text = 'nothing';
  let seen = '';
  while (!seen.includes('does not answer')) seen += String((await once(stdout, 'data'))[0]);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(path, { force: true });
  t.is((await ended).exitCode, 0);
});

onLinux('top PID says once why a process cannot be read, also in JSON', async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  await answerAs(t, inspectionDirectory(env), 1, '{"version":2}');
  const problem = 'process 1 cannot be read: it is of another release of broker-pool';
  t.deepEqual(await runIn({ env }, 'top', '1'), {
    exitCode: 3,
    stdout: '',
    stderr: `broker-pool top: ${problem}\n`,
  });
  const { stderr } = await runIn({ env }, 'top', '1', '--json');
  t.deepEqual(JSON.parse(stderr), { error: { message: problem } });
});

onLinux('top removes the socket that a killed process left, and keeps that of a living one', async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const directory = inspectionDirectory(env);
  const listen = `require('node:net').createServer().listen(process.argv[1], () => console.log('listens'))`;
  mkdirSync(directory, { mode: 0o700 });
  const unnamed = join(directory, 'unnamed');
  const killed = spawn(process.execPath, ['-e', listen, unnamed], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(killed.stdout, 'data');
  killed.kill('SIGKILL');
  await once(killed, 'close');
  const left = socketName(killed.pid ?? 0);
  // As if a process that lives were about to listen.
  const starting = socketName(process.pid);
  linkSync(unnamed, join(directory, starting));
  renameSync(unnamed, join(directory, left));
  t.like(await runIn({ env }, 'top'), { exitCode: 3, stdout: '' });
  t.deepEqual(readdirSync(directory), [starting]);
  rmSync(join(directory, starting));
});

onLinux('without a publisher the exit code is 3', async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  const none = await runIn({ env }, 'top');
  t.like(none, { exitCode: 3, stdout: '' });
  t.regex(
    none.stderr,
    /^broker-pool top: no process publishes its pools in .*broker-pool; call publishPools of broker-pool\/inspection /,
  );
  t.regex(
    (await runIn({ env }, 'top', '7')).stderr,
    /process 7 does not publish its pools .*; call publishPools /,
  );
  t.like(await runIn({ env }, 'top', 'x'), { exitCode: 2 });
});

onLinux('for a process that does not publish, top names those that do', async (t) => {
  const { env } = await publish(t);
  const { exitCode, stderr } = await runIn({ env }, 'top', String(process.ppid));
  t.is(exitCode, 3);
  t.true(stderr.endsWith(`; these do: ${process.pid}\n`), stderr);
});

onLinux('a directory that others may enter is not read', async (t) => {
  const env = { XDG_RUNTIME_DIR: temporaryDirectory(t) };
  mkdirSync(inspectionDirectory(env), { mode: 0o755 });
  const { exitCode, stderr } = await runIn({ env }, 'top');
  t.is(exitCode, 1);
  t.regex(stderr, /^broker-pool top: .* has mode 755: chmod 700 /);
});
