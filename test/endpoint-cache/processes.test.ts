import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { BrokerPool, type BrokerPoolOptions } from '../../src/index.js';
import { FUTURE_TOLERANCE_MS, LONGEST_FILE_BYTES } from '../../src/endpoint-cache/answers.js';
import { PrivateFile } from '../../src/os/private-file.js';
import { until } from '../helpers/leftovers.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { startSystem, type TestSystem } from '../helpers/system.js';
import { contentOf, newPlace } from './kit.js';
import { endpointOf, keyOf } from './names.js';

const PROCESSES = 6;
const ROUNDS = 25;

/** Starts a program of this folder; it is ended with the test at the latest. */
function start(
  t: ExecutionContext,
  program: string,
  ...parameters: string[]
): { child: ChildProcess; output: Promise<string>; ended: Promise<unknown> } {
  const script = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [script, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const output = (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  })();
  return { child, output, ended };
}

/** Reads the file over and over, until all processes have ended; says what was ever wrong with it. */
async function readWhile(
  ended: Promise<unknown>,
  file: string,
): Promise<{ readonly problems: string[]; readonly reads: number }> {
  const problems = new Set<string>();
  let reads = 0;
  const over = Symbol('over');
  const end = ended.then(() => over);
  while ((await Promise.race([end, turn()])) !== over) {
    const { problem } = contentOf(file);
    if (problem !== undefined) problems.add(problem);
    reads += 1;
  }
  return { problems: [...problems], reads };
}

test('the file is whole while six processes write at once, and loses at most a fifth of their changes', async (t) => {
  const { file, directory } = newPlace(t);
  const names = Array.from({ length: PROCESSES }, (_, index) => `p${index}`);
  const writers = names.map((name) => start(t, 'writer.js', file, name, String(ROUNDS)));
  const { problems, reads } = await readWhile(Promise.all(writers.map(({ ended }) => ended)), file);
  t.deepEqual(
    writers.map(({ child }) => child.exitCode),
    names.map(() => 0),
  );
  t.deepEqual(problems, []);
  t.true(reads > 0);
  t.deepEqual(readdirSync(directory), ['endpoints.json']);

  const { answers } = contentOf(file);
  // What is promised is less: a change that two others overwrite in the microseconds between look and rename
  // is lost with its process.
  const all = names.flatMap((name) =>
    Array.from({ length: ROUNDS }, (_, round) => ({ name: `${name}-${round}`, last: round === ROUNDS - 1 })),
  );
  const wrong = all.filter(({ name, last }) => answers.get(keyOf(name))?.forgotten !== !last);
  t.log(`${all.length} changes, ${wrong.length} lost; read ${reads} times`);
  t.true(wrong.length <= all.length / 5, wrong.map(({ name }) => name).join(' '));
  t.regex(answers.get(keyOf('shared'))?.endpoint ?? '', /-p\d-\d+$/);
});

test('processes that are killed while they write leave a whole file, and a later sweep removes their temporary files', async (t) => {
  const { file, directory, open } = newPlace(t);
  for (let count = 0; count < 8; count++) {
    const { child, ended } = start(t, 'writer.js', file, `k${count}`, '1000000');
    await once(child.stdout ?? child, 'data');
    // Not always at the same place of its round.
    for (let turns = 0; turns < count * 7; turns++) await turn();
    child.kill('SIGKILL');
    await ended;
    t.is(contentOf(file).problem, undefined);
    t.true(contentOf(file).answers.size > 0);
  }
  const next = open();
  next.set(keyOf('next'), endpointOf('next'));
  next.close();
  t.true(contentOf(file).answers.has(keyOf('next')));
  new PrivateFile(file, LONGEST_FILE_BYTES).removeLeftovers(Date.now() + 2 * FUTURE_TOLERANCE_MS);
  t.deepEqual(readdirSync(directory), ['endpoints.json']);
});

/** What a command-line tool reports that connects once through a file. */
async function connectOnce(
  t: ExecutionContext,
  { target }: TestSystem,
  file: string,
): Promise<{ route: string; codes: string[] }> {
  const options: BrokerPoolOptions = { ...target, endpointCache: { file } };
  const { output } = start(t, 'connect-once.js', JSON.stringify(options));
  return JSON.parse(await output);
}

test('the second process skips the Hello, though the first ended right after its connect', async (t) => {
  const system = await startSystem(t);
  const file = `${temporaryDirectory(t)}/endpoints.json`;
  t.deepEqual(await connectOnce(t, system, file), { route: 'broker-negotiated', codes: [] });
  t.deepEqual(await connectOnce(t, system, file), { route: 'hello-skip', codes: [] });
  t.is(system.broker.helloCount, 1);
});

test('a damaged file costs a process one warning and one Hello and heals; a file open to others costs the same', async (t) => {
  const system = await startSystem(t);
  const file = `${temporaryDirectory(t)}/endpoints.json`;
  writeFileSync(file, '[', { mode: 0o600 });
  t.deepEqual(await connectOnce(t, system, file), {
    route: 'broker-negotiated',
    codes: ['BrokerPoolWarning ENDPOINT_FILE_CORRUPT'],
  });
  t.deepEqual(await connectOnce(t, system, file), { route: 'hello-skip', codes: [] });
  if (process.platform === 'win32') return;
  const open = `${temporaryDirectory(t)}/endpoints.json`;
  writeFileSync(open, '', { mode: 0o644 });
  t.deepEqual(await connectOnce(t, system, open), {
    route: 'broker-negotiated',
    codes: ['BrokerPoolWarning ENDPOINT_FILE_REFUSED'],
  });
});

test('a pool skips the Hello by another pool’s answer, and forgets a dead endpoint in the file (C-13, X-26)', async (t) => {
  const system = await startSystem(t);
  const endpointCache = { file: `${temporaryDirectory(t)}/endpoints.json` };
  const [one, other] = [
    new BrokerPool({ ...system.target, endpointCache }),
    new BrokerPool({ ...system.target, endpointCache }),
  ];
  t.teardown(() => Promise.all([one.destroy(), other.destroy()]));
  const first = await one.acquire();
  t.is(first.route, 'broker-negotiated');
  t.true(await until(() => contentOf(endpointCache.file).answers.size === 1));
  const second = await other.acquire();
  t.is(second.route, 'hello-skip');
  first.destroy();
  second.destroy();
  await system.backend.stop();
  await t.throwsAsync(one.acquire(), { code: 'BACKEND_CONNECT' });
  t.true(
    await until(() =>
      [...contentOf(endpointCache.file).answers.values()].every(({ forgotten }) => forgotten),
    ),
  );
});
