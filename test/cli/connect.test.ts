import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { loadNative } from '../../src/os/native.js';
import { canHandOff } from '../../src/testing/index.js';
import test from '../helpers/sanitary.js';
import { SERVICE, startGreetingSystem, startSystem, VERSION } from '../helpers/system.js';
import { HALF_OPEN, onWindows, testWhere } from '../helpers/test-where.js';
import { run, runIn, start } from './run.js';

const withHalves = testWhere(!onWindows, HALF_OPEN);
const withFfi = testWhere(loadNative() !== undefined, 'the C library');
const withHandoffs = testWhere(canHandOff(), 'handoffs');

withHalves(
  'connect joins input and output with a backend, and says route and figures on the error output',
  async (t) => {
    const { broker, backend } = await startSystem(t);
    const result = await runIn({ stdin: 'hello' }, 'connect', SERVICE, VERSION, '--broker', broker.endpoint);
    t.like(result, { exitCode: 0, stdout: 'hello' });
    const [connected = '', closed = '', ...rest] = result.stderr.split('\n');
    t.true(connected.startsWith(`connected by broker-negotiated to ${backend.endpoint} in `), connected);
    t.regex(closed, /^closed after [\d.]+ ms: 5 bytes sent, 5 received$/);
    t.deepEqual(rest, ['']);
  },
);

withHandoffs('connect --adopt keeps the connection of the broker, and --json says so in JSON', async (t) => {
  const { broker, backend } = await startSystem(t, { backend: { handoff: 'accept' } });
  const words = ['connect', SERVICE, '--adopt', '--json', '--broker', broker.endpoint];
  const { exitCode, stdout, stderr } = await runIn({ stdin: 'hello' }, ...words);
  t.deepEqual([exitCode, stdout], [0, 'hello']);
  const [connected, closed] = stderr.trim().split('\n').map(parsed);
  t.like(connected, { event: 'connected', route: 'handle-passed', endpoint: backend.endpoint });
  t.like(closed, { event: 'closed', sentBytes: 5, receivedBytes: 5 });
  t.is(backend.adoptedCount, 1);
});

function parsed(line: string): Readonly<Record<string, unknown>> {
  const value: Record<string, unknown> = JSON.parse(line);
  return value;
}

withHalves('the end of the input ends one side: a backend that waits for it can answer', async (t) => {
  const { broker } = await startSystem(t, {
    backend: {
      onConnection: (socket) => {
        let all = '';
        socket.on('data', (chunk) => (all += String(chunk)));
        socket.once('end', () => socket.end(`got ${all}`));
      },
    },
  });
  t.like(await runIn({ stdin: 'all of it' }, 'connect', SERVICE, '--broker', broker.endpoint), {
    exitCode: 0,
    stdout: 'got all of it',
  });
});

withFfi("the end of the backend's side leaves the input open", async (t) => {
  const { broker, received } = await startGreetingSystem(t);
  const stdin = new PassThrough();
  const command = start(['connect', SERVICE, '--broker', broker.endpoint], { stdin });
  const [greeting]: Buffer[] = await once(command.stdout, 'data');
  t.is(String(greeting), 'greeting');
  stdin.end('late input');
  t.is((await command.ended).exitCode, 0);
  t.deepEqual(await Promise.all(received), ['late input']);
});

withFfi('connect ends when the backend has closed the connection, though the input is open', async (t) => {
  const { broker, backend } = await startSystem(t);
  const stdin = new PassThrough();
  const command = start(['connect', SERVICE, '--broker', broker.endpoint], { stdin });
  stdin.write('hello');
  await once(command.stdout, 'data');
  backend.dropAll();
  t.is((await command.ended).exitCode, 0);
  t.true(stdin.destroyed);
});

test('a user who interrupts connect gets no error, and the connection ends', async (t) => {
  const { broker, backend } = await startSystem(t);
  const controller = new AbortController();
  const stdin = new PassThrough();
  const { signal } = controller;
  const command = start(['connect', SERVICE, '--broker', broker.endpoint], { stdin, signal });
  stdin.write('hello');
  await once(command.stdout, 'data');
  controller.abort();
  const { exitCode, stderr } = await command.ended;
  t.is(exitCode, 1);
  t.regex(stderr, /^connected by [^\n]+\n$/);
  await backend.until(() => backend.connections === 0);
});

test('a user who interrupts connect in mid-Hello leaves the broker with no early hang-up', async (t) => {
  const { broker } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const controller = new AbortController();
  const command = start(['connect', SERVICE, '--broker', broker.endpoint], { signal: controller.signal });
  await broker.until(() => broker.helloCount === 1);
  controller.abort();
  t.deepEqual(await command.ended, { exitCode: 1, stdout: '', stderr: '' });
  t.is(broker.openConnections, 1);
  broker.releaseSilent();
  await broker.until(() => broker.openConnections === 0);
  t.is(broker.earlyHangUps, 0);
});

test('connect tells failures apart by its exit code', async (t) => {
  const { broker, backend } = await startSystem(t);
  const connect = (...words: string[]) => run('connect', SERVICE, ...words, '--broker', broker.endpoint);
  const refused = await connect('9.9.9');
  t.is(refused.exitCode, 4);
  t.regex(
    refused.stderr,
    /^broker-pool connect: REFUSED: .*9\.9\.9 at .* check the version, and see the logs\.\n$/,
  );
  const unusable = await connect('9.9');
  t.is(unusable.exitCode, 2);
  t.regex(unusable.stderr, /^broker-pool connect: INVALID_ARGUMENT: the version must be a version such as/);
  await backend.stop();
  t.like(await connect(), { exitCode: 3 });
  broker.behaviour = { kind: 'close' };
  t.like(await connect(), { exitCode: 6 });
  broker.behaviour = { kind: 'silent' };
  const late = await connect('--timeout', '50', '--json');
  t.is(late.exitCode, 5);
  t.like(parsed(late.stderr)['error'], { code: 'TIMEOUT', phase: 'hello', serviceName: SERVICE });
  broker.releaseSilent();
  t.like(await run('connect', SERVICE, '--broker', `${broker.endpoint}.none`), { exitCode: 3 });
  t.deepEqual(await run('connect'), {
    exitCode: 2,
    stdout: '',
    stderr: 'broker-pool connect: SERVICE is missing\nbroker-pool connect --help shows the usage\n',
  });
});

withFfi('a connection that breaks is an error', async (t) => {
  // More than it reads at once: unread bytes make the kernel reset the connection.
  const { broker, backend } = await startSystem(t, {
    backend: { onConnection: (socket) => void socket.once('readable', () => socket.destroy()) },
  });
  const words = ['connect', SERVICE, '--broker', broker.endpoint];
  const { exitCode, stderr } = await runIn({ stdin: Buffer.alloc(1024 * 1024) }, ...words);
  t.is(exitCode, 6);
  t.true(stderr.includes(`broker-pool connect: the connection to ${backend.endpoint} broke: `), stderr);
});
