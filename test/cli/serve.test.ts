import { request } from 'node:http';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectToBackend, sharedBrokerEndpoint } from '../../src/index.js';
import { openSession } from '../../src/frames/index.js';
import { MISBEHAVIOURS } from '../../src/cli/serve/misbehaviour.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { HALF_OPEN, onWindows, onWine, OWN_PIPE, testWhere } from '../helpers/test-where.js';
import { run, start, type CommandResult } from './run.js';

const onPosix = testWhere(!onWindows, 'backends of their own');
// Elsewhere the directory does not depend on the environment, which is of all tests.
const onLinux = testWhere(process.platform === 'linux', 'Linux', test.serial);

/** A server that a command runs; what its first line of JSON says. */
interface Server {
  readonly said: Readonly<Record<string, unknown>>;
  readonly endpoint: string;
  stop(): Promise<CommandResult>;
}

/** Starts `serve … --json`; it ends with the test at the latest. */
async function serve(t: ExecutionContext, ...words: string[]): Promise<Server> {
  const controller = new AbortController();
  const command = start(['serve', ...words, '--json'], { signal: controller.signal });
  const stop = (): Promise<CommandResult> => {
    controller.abort();
    return command.ended;
  };
  t.teardown(stop);
  const first = await Promise.race([once(command.stdout, 'data'), command.ended]);
  if (!Array.isArray(first)) throw new Error(JSON.stringify(first));
  const said: Record<string, unknown> = JSON.parse(String(first[0]));
  return { said, endpoint: String(said['endpoint']), stop };
}

testWhere(!onWindows, HALF_OPEN)(
  'serve broker serves an echo of bytes and of requests, and ends well when it is interrupted',
  async (t) => {
    const server = await serve(t, 'broker');
    const target = { brokerEndpoint: server.endpoint, serviceName: 'echo', wantedVersion: '1.0.0' };
    const { socket } = await connectToBackend(target);
    t.is(await text(socket.end('hello')), 'hello');
    const pool = new BrokerPool(target);
    const session = openSession(pool, { payloadProtocol: 0xf001 });
    t.is(Buffer.from(await session.request(Buffer.from('a request'))).toString(), 'a request');
    await session.close();
    await pool.close();
    t.like(await server.stop(), { exitCode: 0, stderr: '' });
    t.like(await run('connect', 'echo', '--broker', server.endpoint), { exitCode: 3 });
  },
);

test('serve broker prints where it listens and what it serves', async (t) => {
  const controller = new AbortController();
  const endpoint = onWindows ? 'bp-test-serves' : join(temporaryDirectory(t), 'broker.sock');
  const services = ['--service', 'one=/run/one.sock', '--service', 'two@1.2.3=/run/two.sock'];
  const command = start(['serve', 'broker', '--endpoint', endpoint, ...services], {
    signal: controller.signal,
  });
  await once(command.stdout, 'data');
  controller.abort();
  const { stdout } = await command.ended;
  t.regex(stdout, /^broker   .*\nservice  one, any version, at \/run\/one.sock\nservice  two, 1.2.3, at /);
});

test('serve broker refuses as it is told', async (t) => {
  const server = await serve(t, 'broker', '--refuse', 'RATE_LIMITED', '--retry-after', '70');
  const error = await t.throwsAsync(
    connectToBackend({ brokerEndpoint: server.endpoint, serviceName: 'echo', wantedVersion: '1.0.0' }),
  );
  t.like(error, { code: 'REFUSED', refusalKind: 'rateLimited', retryAfterMs: 70 });
});

test('serve broker has a behaviour for each word of --misbehave', async (t) => {
  for (const word of MISBEHAVIOURS.filter((other) => other !== 'silent')) {
    const server = await serve(t, 'broker', '--misbehave', word);
    await t.throwsAsync(
      connectToBackend({ brokerEndpoint: server.endpoint, serviceName: 'echo', wantedVersion: '1.0.0' }),
      undefined,
      word,
    );
    await server.stop();
  }
});

onPosix('serve backend answers requests, and by its identity file without a broker', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'identity.json');
  const endpoint = join(directory, 'backend.sock');
  const files = ['--endpoint', endpoint, '--identity-file', identityFile];
  const server = await serve(t, 'backend', ...files, '--payload-protocol', '0x7a63');
  t.is(server.endpoint, endpoint);
  const session = openSession({ identityFile }, { payloadProtocol: 0x7a63, probeTimeoutMs: 20_000 });
  t.is(Buffer.from(await session.request(Buffer.from('hello'))).toString(), 'hello');
  await session.close();
  const { exitCode, stdout } = await server.stop();
  t.is(exitCode, 0);
  t.like(JSON.parse(stdout.trim().split('\n')[1] ?? ''), { counts: { requests: 1, probes: 1 } });
  t.false(existsSync(identityFile) || existsSync(endpoint));
});

onPosix('serve backend --http answers HTTP with the body, or with method and path', async (t) => {
  const { endpoint } = await serve(t, 'backend', '--http');
  const ask = async (method: string, body?: string): Promise<string> => {
    const call = request({ socketPath: endpoint, method, path: '/path' }).end(body);
    const [response]: IncomingMessage[] = await once(call, 'response');
    if (response === undefined) throw new Error('no response');
    return await text(response);
  };
  t.is(await ask('GET'), 'GET /path\n');
  t.is(await ask('POST', 'the body'), 'the body');
});

onPosix('serve backend --fail reports each failed request, and goes on', async (t) => {
  const controller = new AbortController();
  const command = start(['serve', 'backend', '--fail'], { signal: controller.signal });
  const [line]: Buffer[] = await once(command.stdout, 'data');
  const endpoint = /^backend {2}(.*)\n/.exec(String(line))?.[1] ?? '';
  const session = openSession({ endpoint }, { payloadProtocol: 0xf001 });
  await t.throwsAsync(session.request(Buffer.from('hello')), { code: 'UNEXPECTED_EOF' });
  await session.close();
  controller.abort();
  const { exitCode, stdout, stderr } = await command.ended;
  t.is(exitCode, 0);
  t.regex(stderr, /^broker-pool serve backend: REQUEST_FAILED: /);
  t.regex(stdout, /\nserved   connections: 1, requests in frames: 1\n$/);
});

testWhere(!onWine, OWN_PIPE)('serve broker on an endpoint that is taken says what to do', async (t) => {
  const { endpoint } = await serve(t, 'broker');
  const { exitCode, stderr } = await run('serve', 'broker', '--endpoint', endpoint);
  t.is(exitCode, 1);
  t.regex(
    stderr,
    /cannot serve as a broker: listen EADDRINUSE.*; end the program that listens there, or give another --endpoint/,
  );
});

onPosix('serve makes no directory but that of brokers, and says what to do about another', async (t) => {
  const missing = join(temporaryDirectory(t), 'missing');
  for (const [words, name] of [
    [['broker'], '--endpoint'],
    [['backend'], '--endpoint'],
    [['backend'], '--handoff-endpoint'],
  ] as const) {
    const { exitCode, stderr } = await run('serve', ...words, name, join(missing, 'x.sock'));
    t.is(exitCode, 2);
    const advice = 'make it with mkdir -m 700, or correct the path';
    t.true(stderr.includes(`: ${name} lies in "${missing}", which does not exist: ${advice}\n`), stderr);
  }
  t.false(existsSync(missing));
});

onLinux('serve broker makes the directory in which brokers of this user listen', async (t) => {
  const before = process.env['XDG_RUNTIME_DIR'];
  process.env['XDG_RUNTIME_DIR'] = temporaryDirectory(t);
  const endpoint = sharedBrokerEndpoint();
  const server = await serve(t, 'broker', '--endpoint', endpoint).finally(() => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
  });
  t.is(server.endpoint, endpoint);
  t.is(statSync(dirname(endpoint)).mode & 0o777, 0o700);
  await server.stop();
});

onPosix('a relative endpoint begins in the working directory', async (t) => {
  const directory = temporaryDirectory(t);
  const path = relative(process.cwd(), join(directory, 'broker.sock'));
  const server = await serve(t, 'broker', '--endpoint', path, '--service', `echo=${path}.none`);
  t.is(server.endpoint, join(directory, 'broker.sock'));
  t.like(server.said['services'], { echo: { endpoint: `${server.endpoint}.none` } });
  const { exitCode, stderr } = await run('connect', 'echo', '--broker', path);
  t.is(exitCode, 3);
  t.true(stderr.includes('BACKEND_CONNECT'), stderr);
});

test('serve asks which, and refuses what cannot be', async (t) => {
  for (const [words, complaint] of [
    [[], 'say which: serve broker or serve backend'],
    [['brokr'], 'unknown command "serve brokr"; there is serve broker or serve backend'],
    [['broker', '--service', 'echo'], '--service must be NAME=ENDPOINT or NAME@VERSION=ENDPOINT, not "echo"'],
    [['broker', '--misbehave', 'silnt'], '--misbehave must be one of '],
    [['broker', '--retry-after', '3'], '--retry-after needs --refuse'],
    [['backend', '--payload-protocol', 'x'], '--payload-protocol must be a number such as 0xf001, not "x"'],
  ] as const) {
    const { exitCode, stderr } = await run('serve', ...words);
    t.is(exitCode, 2);
    t.true(stderr.includes(complaint), stderr);
  }
});
