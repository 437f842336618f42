import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import { connectToBackend } from '../../src/index.js';
import { loadNative } from '../../src/os/native.js';
import { until } from '../helpers/leftovers.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { SERVICE, startGreetingSystem, startSystem } from '../helpers/system.js';
import { FFI, onWindows, testWhere } from '../helpers/test-where.js';
import { MAIN } from './run.js';

const onPosix = testWhere(!onWindows, 'signals');
const onLinux = testWhere(process.platform === 'linux', '/dev/full');

/** Runs `broker-pool` with a temporary directory of its own. */
function start(
  parameters: readonly string[],
  temporary: string,
  stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
): ChildProcess {
  return spawn(process.execPath, [MAIN, ...parameters], {
    stdio,
    env: { ...process.env, TMPDIR: temporary },
  });
}

/** The code that it ends with, when the processes that it started have closed its output too. */
async function endOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; stderr: string }> {
  const [stderr, [code, signal]] = await Promise.all([
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, signal, stderr };
}

/** When the output has these words. */
async function printed(child: ChildProcess, words: string): Promise<void> {
  let output = '';
  while (!output.includes(words)) {
    const [chunk]: Buffer[] = await once(child.stdout ?? child, 'data');
    output += String(chunk);
  }
}

for (const [signal, words] of [
  ['SIGINT', 'Starting an embedded broker'],
  ['SIGINT', 'connections: net.connect'],
  ['SIGTERM', 'connections: net.connect'],
] as const) {
  onPosix(
    `demo ends by ${signal} after ${JSON.stringify(words)} with 128 + its number, no word, and nothing left in the temporary directory`,
    async (t) => {
      const temporary = temporaryDirectory(t);
      const child = start(['demo', '--connects', '1000000'], temporary);
      const ended = endOf(child);
      await printed(child, words);
      child.kill(signal);
      t.deepEqual(await ended, { code: 128 + constants.signals[signal], signal: null, stderr: '' });
      t.deepEqual(readdirSync(temporary), []);
    },
  );
}

for (const signal of ['SIGHUP', 'SIGTERM'] as const) {
  onPosix(
    `admin that waits for a silent broker ends by ${signal} with 128 + its number and no word`,
    async (t) => {
      const { broker } = await startSystem(t);
      broker.adminBehaviour = { kind: 'silent' };
      const child = start(['admin', '--broker', broker.endpoint], temporaryDirectory(t));
      const ended = endOf(child);
      await broker.until(() => broker.adminCount === 1);
      child.kill(signal);
      t.deepEqual(await ended, { code: 128 + constants.signals[signal], signal: null, stderr: '' });
      broker.releaseSilent();
    },
  );
}

onPosix('connect ends by SIGINT with 130, and after the figures of the connection no word', async (t) => {
  const { broker } = await startSystem(t);
  const words = ['connect', SERVICE, '--broker', broker.endpoint];
  const child = start(words, temporaryDirectory(t), ['pipe', 'pipe', 'pipe']);
  const ended = endOf(child);
  child.stdin?.write('hello');
  await printed(child, 'hello');
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  t.is(code, 130);
  t.regex(stderr, /^connected by broker-negotiated .*\n$/);
});

testWhere(loadNative() !== undefined, FFI)(
  "the end of the backend's side ends the output of connect, while the input stays open",
  async (t) => {
    const { broker, received } = await startGreetingSystem(t);
    const words = ['connect', SERVICE, '--broker', broker.endpoint];
    const child = start(words, temporaryDirectory(t), ['pipe', 'pipe', 'pipe']);
    const ended = endOf(child);
    if (child.stdout === null) return t.fail('no output');
    t.is(await text(child.stdout), 'greeting');
    t.is(child.exitCode, null);
    child.stdin?.end('late input');
    t.like(await ended, { code: 0 });
    t.deepEqual(await Promise.all(received), ['late input']);
  },
);

onPosix('a reader that leaves ends connect with 141', async (t) => {
  const { broker } = await startSystem(t);
  const words = ['connect', SERVICE, '--broker', broker.endpoint];
  const child = start(words, temporaryDirectory(t), ['pipe', 'pipe', 'pipe']);
  const ended = endOf(child);
  child.stdout?.destroy();
  child.stdin?.on('error', () => {});
  child.stdin?.write('hello');
  t.like(await ended, { code: 141 });
});

onPosix('serve goes on when a client leaves while it is written to', async (t) => {
  const child = start(['serve', 'broker', '--json'], temporaryDirectory(t));
  const ended = endOf(child);
  const [line]: Buffer[] = await once(child.stdout ?? child, 'data');
  const { endpoint }: { endpoint: string } = JSON.parse(String(line));
  const target = { brokerEndpoint: endpoint, serviceName: 'echo', wantedVersion: '1.0.0' };
  for (let client = 0; client < 5; client += 1) {
    const { socket } = await connectToBackend(target);
    socket.on('error', () => {}).write(Buffer.alloc(4 * 1024 * 1024));
    await once(socket, 'data');
    socket.destroy();
  }
  const { socket } = await connectToBackend(target);
  t.is(await text(socket.end('still there')), 'still there');
  child.kill('SIGTERM');
  t.like(await ended, { code: 0 });
});

onPosix('serve ends by SIGTERM with 0, and nothing left in the temporary directory', async (t) => {
  const temporary = temporaryDirectory(t);
  const child = start(['serve', 'broker'], temporary);
  const ended = endOf(child);
  await printed(child, 'service  echo');
  child.kill('SIGTERM');
  t.deepEqual(await ended, { code: 0, signal: null, stderr: '' });
  t.deepEqual(readdirSync(temporary), []);
});

onPosix(
  'a reader that leaves ends demo with 141, no word, and nothing left in the temporary directory',
  async (t) => {
    const temporary = temporaryDirectory(t);
    const child = start(['demo'], temporary);
    const ended = endOf(child);
    await once(child.stdout ?? child, 'data');
    child.stdout?.destroy();
    t.deepEqual(await ended, { code: 141, signal: null, stderr: '' });
    t.deepEqual(readdirSync(temporary), []);
  },
);

for (const parameters of [['--help'], ['demo']]) {
  onLinux(
    `output that cannot be written ends ${parameters.join(' ')} with 1, one line, and nothing left in the temporary directory`,
    async (t) => {
      const temporary = temporaryDirectory(t);
      const full = openSync('/dev/full', 'w');
      const ended = await endOf(start(parameters, temporary, ['ignore', full, 'pipe']));
      const mute = await endOf(start(parameters, temporary, ['ignore', full, full]));
      closeSync(full);
      t.deepEqual(ended, {
        code: 1,
        signal: null,
        stderr: 'broker-pool: cannot write the output: ENOSPC: no space left on device, write\n',
      });
      t.deepEqual(mute, { code: 1, signal: null, stderr: '' });
      // Without a pipe the end of demo's own processes is not heard of.
      t.true(await until(() => readdirSync(temporary).length === 0), readdirSync(temporary).join());
    },
  );
}

/** Its message has a character that a terminal would act on. */
const FAULT = 'throw new Error("a \\u001b[31mbroken part")';
/** Throws when the command has begun, outside its promise. */
const FAULTY = `process.on('newListener', (name) => name === 'uncaughtException' && setImmediate(() => { ${FAULT} }))`;

test('a fault is one escaped line and exit code 1; NODE_DEBUG shows where it is, escaped as well', async (t) => {
  const words = ['--import', `data:text/javascript,${encodeURIComponent(FAULTY)}`, MAIN, 'serve', 'broker'];
  const line =
    'broker-pool: a fault of broker-pool itself: a \\u001b[31mbroken part; NODE_DEBUG=broker-pool shows where\n';
  for (const debug of ['', 'broker-pool']) {
    const env = { ...process.env, TMPDIR: temporaryDirectory(t), NODE_DEBUG: debug };
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'], env });
    const { code, stderr } = await endOf(child);
    t.is(code, 1);
    t.true(stderr.startsWith(line), stderr);
    if (debug === '') t.is(stderr, line);
    else t.regex(stderr, /Error: a \\u001b\[31mbroken part\n +at /);
    t.false(stderr.includes('\u001b'));
  }
});
