import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectToBackend, type ConnectOptions } from '../../src/index.js';
import { contentOf } from '../endpoint-cache/kit.js';
import { endpointIn } from '../helpers/endpoints.js';
import { scaled } from '../helpers/patience.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';

const execute = promisify(execFile);
const TOOL = fileURLToPath(new URL('one-shot-tool.js', import.meta.url));

const NEGOTIATED = 'broker-negotiated';
const SKIPPED = 'hello-skip';

/** What a tool reports that connects twice in its life, and ends in the turn of the second connect. */
async function runTool(
  options: ConnectOptions,
  ...more: string[]
): Promise<{ readonly routes: string[]; readonly codes: string[] }> {
  const { stdout } = await execute(process.execPath, [TOOL, JSON.stringify(options), ...more], {
    timeout: scaled(30_000),
  });
  return JSON.parse(stdout);
}

function newFile(t: ExecutionContext): string {
  return join(temporaryDirectory(t), 'endpoints.json');
}

/** The endpoints in a file that have not failed. */
function endpointsIn(file: string): string[] {
  return Array.from(contentOf(file).answers.values())
    .filter(({ forgotten }) => !forgotten)
    .map(({ endpoint }) => endpoint);
}

test('a second process dials the endpoint in the file, without a broker too', async (t) => {
  const { backend, broker, target } = await startSystem(t);
  const options = { ...target, endpointCache: { file: newFile(t) } };
  t.deepEqual(await runTool(options), { routes: [NEGOTIATED, SKIPPED], codes: [] });
  await broker.stop();
  t.deepEqual(await runTool(options), { routes: [SKIPPED, SKIPPED], codes: [] });
  t.deepEqual(endpointsIn(options.endpointCache.file), [backend.endpoint]);
});

test('an endpoint in the file that does not answer is forgotten, and the broker is asked', async (t) => {
  const { backend, target, directory } = await startSystem(t);
  const file = newFile(t);
  await runTool({ ...target, endpointCache: { file } });
  const stale = endpointIn(directory, 'stale');
  writeFileSync(file, JSON.stringify({ version: 1, answers: [answer(target, stale)] }), { mode: 0o600 });
  t.deepEqual(await runTool({ ...target, endpointCache: { file } }), {
    routes: [NEGOTIATED, SKIPPED],
    codes: [],
  });
  t.deepEqual(endpointsIn(file), [backend.endpoint]);
});

test('a caller that forgets the endpoint of its connection makes the next process ask the broker', async (t) => {
  const { target } = await startSystem(t);
  const file = newFile(t);
  await runTool({ ...target, endpointCache: { file } }, 'forgets');
  t.deepEqual(endpointsIn(file), []);
  t.deepEqual((await runTool({ ...target, endpointCache: { file } })).routes, [NEGOTIATED, SKIPPED]);
});

test('an endpoint older than ttlMs is not dialled', async (t) => {
  const { target } = await startSystem(t);
  const endpointCache = { file: newFile(t), ttlMs: 60_000 };
  const old = answer(target, endpointIn('/tmp', 'old'), Date.now() - 60_001);
  writeFileSync(endpointCache.file, JSON.stringify({ version: 1, answers: [old] }), { mode: 0o600 });
  t.deepEqual((await runTool({ ...target, endpointCache })).routes, [NEGOTIATED, SKIPPED]);
});

test('a call for a version other than its own neither reads nor writes the file (C-11)', async (t) => {
  const { target } = await startSystem(t);
  const file = newFile(t);
  const options = { ...target, selfVersion: 'other', endpointCache: { file } };
  t.deepEqual((await runTool(options)).routes, [NEGOTIATED, NEGOTIATED]);
  t.false(existsSync(file));
});

test('a pool dials what a one-shot connect has written', async (t) => {
  const { broker, target } = await startSystem(t);
  const file = newFile(t);
  await runTool({ ...target, endpointCache: { file } });
  t.is(broker.helloCount, 1);
  const pool = new BrokerPool({ ...target, endpointCache: { file } });
  const lease = await pool.acquire();
  t.is(lease.route, SKIPPED);
  lease.destroy();
  await pool.close();
});

test('a file that cannot be used costs a process one warning and one Hello', async (t) => {
  const { target } = await startSystem(t);
  const file = newFile(t);
  writeFileSync(file, '{"version":2}', { mode: 0o600 });
  t.deepEqual(await runTool({ ...target, endpointCache: { file } }), {
    routes: [NEGOTIATED, SKIPPED],
    codes: ['BrokerPoolWarning ENDPOINT_FILE_VERSION'],
  });
});

test('a connection without the option has nothing to forget', async (t) => {
  const { target } = await startSystem(t);
  const connection = await connectToBackend(target);
  t.false('forgetEndpoint' in connection);
  const closed = once(connection.socket, 'close');
  connection.socket.destroy();
  await closed;
});

test('wrong options of the file are refused by their names', async (t) => {
  const target = { serviceName: 'demo', wantedVersion: '1.0.0', brokerEndpoint: endpointIn('/tmp', 'none') };
  const file = newFile(t);
  for (const [wrong, message] of [
    [{ endpointCache: {} }, /^endpointCache\.file must be an absolute path, got undefined/],
    [{ endpointCache: { file: 'relative' } }, /^endpointCache\.file must be an absolute path/],
    [{ endpointCache: false }, /^endpointCache must be an object/],
    [{ endpointCache: { file, maxx: 1 } }, /^endpointCache has no option "maxx"/],
    [
      { endpointCache: { file }, cachedBackendEndpoint: '/a' },
      /^cachedBackendEndpoint cannot be given together/,
    ],
  ] as const)
    await t.throwsAsync(
      async () => await Reflect.apply(connectToBackend, undefined, [{ ...target, ...wrong }]),
      {
        code: 'INVALID_ARGUMENT',
        message,
      },
    );
});

/** An entry of the file. */
function answer(
  target: { readonly serviceName: string; readonly wantedVersion: string; readonly brokerEndpoint: string },
  endpoint: string,
  atMs = Date.now(),
): object {
  return { target: `${target.serviceName} ${target.wantedVersion} ${target.brokerEndpoint}`, endpoint, atMs };
}
