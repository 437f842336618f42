import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { FFI, onWindows, onWine, OWN_PIPE, testWhere } from '../helpers/test-where.js';
import { connectToBackend } from '../../src/client/connect.js';
import {
  canHandOff,
  EmbeddedBackend,
  EmbeddedBroker,
  spawnTestSystem,
  startTestSystem,
} from '../../src/testing/index.js';
import { readBytes, readToEnd } from './raw-peer.js';

const onPosix = testWhere(!onWindows, 'signals');

test('a test system negotiates its echo under the name and version asked for', async (t) => {
  await using system = await startTestSystem({ serviceName: 'cache', version: '3.2.1' });
  t.deepEqual(system.target, {
    brokerEndpoint: system.broker.endpoint,
    serviceName: 'cache',
    wantedVersion: '3.2.1',
  });
  const { endpoint, socket } = await connectToBackend(system.target);
  t.is(endpoint, system.backend.endpoint);
  socket.end('hello');
  t.is((await readToEnd(socket)).toString(), 'hello');
});

test('a test system for a service with an endpoint starts no backend', async (t) => {
  await using own = await EmbeddedBackend.start();
  await using system = await startTestSystem({ service: { endpoint: own.endpoint } });
  t.is(system.backend, undefined);
  const { endpoint, socket } = await connectToBackend(system.target);
  t.is(endpoint, own.endpoint);
  socket.end('hello');
  t.is((await readToEnd(socket)).toString(), 'hello');
});

testWhere(canHandOff(), FFI)(
  'a test system starts a backend beside the endpoint of its service where it takes over connections',
  async (t) => {
    await using own = await EmbeddedBackend.start();
    const service = { endpoint: own.endpoint };
    await using system = await startTestSystem({ service, backend: { handoff: 'reject' } });
    t.not(system.backend.endpoint, own.endpoint);
  },
);

testWhere(!onWine, OWN_PIPE)('a test system that cannot start stops its backend', async (t) => {
  await using system = await startTestSystem();
  const taken = { endpoint: system.broker.endpoint };
  await t.throwsAsync(startTestSystem({ broker: taken }), { code: 'EADDRINUSE' });
});

// The check of this file, that nothing is left behind, notices a server that still listens.
onPosix('a broker whose socket file is removed while it starts fails to start', async (t) => {
  const endpoint = join(temporaryDirectory(t), 'broker.sock');
  const starting = EmbeddedBroker.start({ endpoint });
  rmSync(endpoint);
  await t.throwsAsync(starting, { code: 'ENOENT' });
});

test('a spawned system is two processes that count, hand over and end', async (t) => {
  const system = await spawnTestSystem();
  const { backend, broker, target } = system;
  t.is(new Set([process.pid, backend.pid, broker.pid]).size, 3);
  const { route, socket } = await connectToBackend({ ...target, adoptHandedOffConnection: canHandOff() });
  t.is(route, canHandOff() ? 'handle-passed' : 'broker-negotiated');
  socket.write('hello');
  t.is((await readBytes(socket, 5)).toString(), 'hello');
  const [brokerCounts, backendCounts, again] = await Promise.all([
    broker.counts(),
    backend.counts(),
    broker.counts(),
  ]);
  t.like(brokerCounts, { helloCount: 1, earlyHangUps: 0, handoffCount: canHandOff() ? 1 : 0 });
  t.like(again, { helloCount: 1 });
  t.is(backendCounts.connections, 1);
  const stream = readToEnd(socket);
  await Promise.all([system.stop(), system.stop()]);
  t.is((await stream).length, 0);
  t.throws(() => process.kill(backend.pid ?? 0, 0), { code: 'ESRCH' });
  t.throws(() => process.kill(broker.pid ?? 0, 0), { code: 'ESRCH' });
  if (process.platform !== 'win32') t.false(existsSync(dirname(broker.endpoint)));
});

onPosix('a paused process accepts nothing until it is resumed; its backlog fills', async (t) => {
  await using system = await spawnTestSystem({ handoff: 'none', backlog: 1 });
  const { backend } = system;
  backend.pause();
  const clients = Array.from({ length: 4 }, () => connect({ path: backend.endpoint }));
  const outcomes = await Promise.all(clients.map(outcomeOf));
  const connected = clients.filter((_, index) => outcomes[index] === 'connected');
  if (process.platform === 'linux') t.true(outcomes.includes('EAGAIN'));
  t.true(connected.length > 0);
  backend.resume();
  for (const client of connected) {
    client.end('served');
    t.is((await readToEnd(client)).toString(), 'served');
  }
  t.is((await backend.counts()).acceptedCount, connected.length);
});

function outcomeOf(client: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    client.once('connect', () => resolve('connected'));
    client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

onPosix('a client notices a killed backend, and the system still stops', async (t) => {
  const system = await spawnTestSystem();
  const { socket } = await connectToBackend(system.target);
  const stream = readToEnd(socket);
  await system.backend.kill();
  t.is((await stream).length, 0);
  await t.throwsAsync(system.backend.counts());
  await system.stop();
  t.false(existsSync(dirname(system.backend.endpoint)));
});

const endings: readonly (readonly [string, (child: ServeChild) => void])[] = [
  ['when the one that started it is gone', (child) => child.stdin.destroy()],
  ['on SIGTERM', (child) => child.kill('SIGTERM')],
];

for (const [when, end] of endings) {
  onPosix(`a server process ends in order ${when}, and takes its socket with it`, async (t) => {
    const child = spawnServe({ role: 'broker', services: {} });
    const [line]: Buffer[] = await once(child.stdout, 'data');
    const { endpoint }: { endpoint: string } = JSON.parse(String(line));
    t.true(existsSync(endpoint));
    const ended = once(child, 'exit');
    end(child);
    t.deepEqual(await ended, [0, null]);
    t.false(existsSync(dirname(endpoint)));
  });
}

type ServeChild = ReturnType<typeof spawnServe>;

function spawnServe(task: object) {
  const entry = fileURLToPath(new URL('../../src/testing/serve.js', import.meta.url));
  return spawn(process.execPath, [entry, JSON.stringify(task)], { stdio: ['pipe', 'pipe', 'inherit'] });
}
