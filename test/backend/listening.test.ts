import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { FFI, onWindows, POSIX, testWhere } from '../helpers/test-where.js';
import { framesIn, readToEnd } from '../testing/raw-peer.js';
import { serveBackend } from '../../src/backend/index.js';
import { loadListeningCalls } from '../../src/os/listening.js';
import { loadNative } from '../../src/os/native.js';
import { encodeAddress } from '../../src/os/socket.js';
import { deferred, dial, directory, DIGEST, ECHO, echoing, request, start } from './kit.js';

const onPosix = testWhere(!onWindows, POSIX);
const withFfi = testWhere(loadNative() !== undefined, FFI);

const identity = { exeHash: DIGEST };

/** Leaves a socket file behind, as a process does that was killed. */
async function leaveSocket(path: string): Promise<void> {
  const source = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', source], { stdio: 'ignore' }), 'exit');
}

onPosix('the missing directories of an endpoint are made with mode 0700, the socket with 0600', async (t) => {
  const endpoint = join(directory(t), 'a/b/c.sock');
  await start(t, { ...echoing, endpoint });
  t.is(lstatSync(join(endpoint, '..')).mode & 0o777, 0o700);
  t.is(lstatSync(join(endpoint, '../..')).mode & 0o777, 0o700);
  t.is(lstatSync(endpoint).mode & 0o777, 0o600);
});

onPosix('a socket file that a killed process left is replaced, and no other file stays (S-82)', async (t) => {
  const folder = directory(t);
  const endpoint = join(folder, 'b.sock');
  await leaveSocket(endpoint);
  t.true(existsSync(endpoint));
  const backend = await start(t, { ...echoing, endpoint });
  const client = await dial(t, endpoint);
  client.end(request('x'));
  t.is(framesIn(await readToEnd(client)).length, 1);
  t.deepEqual(readdirSync(folder), ['b.sock']);
  await backend.close();
  t.deepEqual(readdirSync(folder), []);
});

onPosix('an endpoint that another backend serves is ENDPOINT_IN_USE, and that backend goes on', async (t) => {
  const { endpoint } = await start(t, echoing);
  const error = await t.throwsAsync(serveBackend({ ...echoing, endpoint }), { code: 'ENDPOINT_IN_USE' });
  t.regex(error?.message ?? '', /another process serves at .*b\.sock\. Stop it/);
  const client = await dial(t, endpoint);
  client.end(request('x'));
  t.is(framesIn(await readToEnd(client)).length, 1);
});

withFfi('one of twenty backends that find the same leftover at a time serves', async (t) => {
  const endpoint = join(directory(t), 'b.sock');
  await leaveSocket(endpoint);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => serveBackend({ ...echoing, endpoint, identity })),
  );
  const served = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  // First: an assertion that fails throws, and would leave the sockets open.
  await Promise.all(served.map((backend) => backend.close()));
  t.is(served.length, 1);
  for (const result of results)
    if (result.status === 'rejected') t.like(result.reason, { code: 'ENDPOINT_IN_USE' });
});

withFfi(
  'a backend that finds the lock held learns that another one serves without waiting for it',
  async (t) => {
    const { endpoint } = await start(t, echoing);
    const lock = openSync(`${endpoint}.bind.lock`, 'w+', 0o600);
    t.teardown(() => closeSync(lock));
    t.is(loadListeningCalls()?.lock(lock), 0);
    await t.throwsAsync(serveBackend({ ...echoing, endpoint }), { code: 'ENDPOINT_IN_USE' });
  },
);

onPosix('a file or a link in the place of the socket is not removed', async (t) => {
  const folder = directory(t);
  const file = join(folder, 'file.sock');
  writeFileSync(file, 'precious');
  const link = join(folder, 'link.sock');
  symlinkSync(file, link);
  for (const endpoint of [file, link])
    await t.throwsAsync(serveBackend({ ...echoing, endpoint }), {
      code: 'BACKEND_START',
      message: /no socket/,
    });
  t.is(readFileSync(file, 'utf8'), 'precious');
});

onPosix('a directory where other users may write is refused, and allowed by trust', async (t) => {
  const folder = join(directory(t), 'open');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const endpoint = join(folder, 'b.sock');
  await t.throwsAsync(serveBackend({ ...echoing, endpoint }), {
    code: 'BACKEND_START',
    message: /others may write/,
  });
  t.deepEqual(readdirSync(folder), []);
  await start(t, { ...echoing, endpoint, trust: { sharedDirectories: true } });
});

for (const [what, options, message] of [
  ['neither onRequest nor onConnection', {}, /^onRequest or onConnection/],
  ['onRequest without protocols', { onRequest: echoing.onRequest }, /^payloadProtocols and onRequest/],
  [
    'protocols without onRequest',
    { payloadProtocols: [ECHO], onConnection: () => {} },
    /^payloadProtocols and/,
  ],
  [
    'a protocol of the broker',
    { ...echoing, payloadProtocols: [0xad01] },
    /^payloadProtocols\[0\] 0xAD01 belongs/,
  ],
  [
    'a protocol outside the ranges',
    { ...echoing, payloadProtocols: [ECHO, 5] },
    /^payloadProtocols\[1\] 0x0005 lies/,
  ],
  [
    'classify without onConnection',
    { ...echoing, classify: () => 'own' as const },
    /^classify needs onConnection or httpServer, /,
  ],
  [
    'maxInFlight without onRequest',
    { onConnection: () => {}, maxInFlight: 5 },
    /^maxInFlight needs onRequest, .* or leave maxInFlight out$/,
  ],
  [
    'maxOffers without handoffEndpoint',
    { ...echoing, maxOffers: 5 },
    /^maxOffers needs handoffEndpoint, .* or leave maxOffers out$/,
  ],
  [
    'offerTimeoutMs without handoffEndpoint',
    { ...echoing, handoffEndpoint: undefined, offerTimeoutMs: 5 },
    /^offerTimeoutMs needs handoffEndpoint, /,
  ],
  ['a relative endpoint', { ...echoing, endpoint: 'b.sock' }, /^endpoint must be an absolute path/],
  [
    'a relative identity file',
    { ...echoing, identityFile: 'b.json' },
    /^identityFile must be an absolute path/,
  ],
  ['maxInFlight 0', { ...echoing, maxInFlight: 0 }, /^maxInFlight must be/],
  [
    'one endpoint for both',
    { ...echoing, handoffEndpoint: '/nonexistent/b.sock' },
    /^handoffEndpoint must differ/,
  ],
  // A program in JavaScript may pass anything.
  [
    'an unknown field of identity',
    { ...echoing, identity: Object({ exepath: '' }) },
    /^identity has no option "exepath"/,
  ],
  ['a text as pid', { ...echoing, identity: Object({ pid: '1' }) }, /^identity\.pid must be an integer/],
] as const) {
  onPosix(`a backend with ${what} is INVALID_ARGUMENT`, async (t) => {
    const endpoint = '/nonexistent/b.sock';
    await t.throwsAsync(serveBackend({ endpoint, ...options }), { code: 'INVALID_ARGUMENT', message });
  });
}

test('a backend without an endpoint that no broker has launched is INVALID_ARGUMENT', async (t) => {
  await t.throwsAsync(serveBackend(echoing), {
    code: 'INVALID_ARGUMENT',
    message: /^endpoint must be given/,
  });
});

test('the identity file names the backend, and goes when it closes (P-26, L-27)', async (t) => {
  const identityFile = join(directory(t), 'b.identity.json');
  const backend = await start(t, { ...echoing, identityFile });
  t.deepEqual(JSON.parse(readFileSync(identityFile, 'utf8')), {
    pid: process.pid,
    exe_path: (await backend.identity()).exePath,
    exe_hash_algorithm: 'blake3',
    exe_hash: [...DIGEST],
    boot_id: (await backend.identity()).bootId,
    ipc_endpoint: { namespace_id: 'shared', path: backend.endpoint },
    started_at_unix_ms: Number((await backend.identity()).startedAtUnixMs),
    idle_timeout_secs: null,
  });
  await backend.close();
  t.false(existsSync(identityFile));
});

test('an identity file that names another process by then stays', async (t) => {
  const identityFile = join(directory(t), 'b.identity.json');
  const backend = await start(t, { ...echoing, identityFile });
  writeFileSync(identityFile, '{"pid":1}');
  await backend.close();
  t.is(readFileSync(identityFile, 'utf8'), '{"pid":1}');
});

onPosix(
  'a backend that cannot start leaves the files of the one that serves, and none of its own',
  async (t) => {
    const folder = directory(t);
    const options = { ...echoing, endpoint: join(folder, 'b.sock'), identityFile: join(folder, 'b.json') };
    await start(t, options);
    await t.throwsAsync(start(t, options), { code: 'ENDPOINT_IN_USE' });
    t.deepEqual(readdirSync(folder).toSorted(), ['b.json', 'b.sock']);
  },
);

test('an identity file that names another backend of the process by then stays', async (t) => {
  const identityFile = join(directory(t), 'b.json');
  const first = await start(t, { ...echoing, identityFile });
  await start(t, { ...echoing, identityFile });
  await first.close();
  t.true(existsSync(identityFile));
});

test('an identity file with another pid in it goes with its backend', async (t) => {
  const identityFile = join(directory(t), 'b.json');
  const backend = await start(t, { ...echoing, identityFile, identity: { exeHash: DIGEST, pid: 1 } });
  await backend.close();
  t.false(existsSync(identityFile));
});

test('a later close may shorten the time, and a wrong option rejects', async (t) => {
  const called = deferred<void>();
  const backend = await start(t, {
    ...echoing,
    onRequest: () => {
      called.resolve();
      return new Promise(() => {});
    },
  });
  const client = await dial(t, backend.endpoint);
  client.write(request('x'));
  await called.promise;
  const closed = backend.close({ timeoutMs: Infinity });
  await t.throwsAsync(backend.close({ timeoutMs: -1 }), { code: 'INVALID_ARGUMENT' });
  await backend.close({ timeoutMs: 0 });
  await closed;
  t.is(backend.stats().connections, 0);
});

test('a backend whose identity file cannot be written leaves nothing open', async (t) => {
  const folder = directory(t);
  const options = {
    ...echoing,
    identity,
    endpoint: endpointIn(folder, 'b'),
    identityFile: join(folder, 'no/b.json'),
  };
  await t.throwsAsync(serveBackend(options), {
    code: 'BACKEND_START',
    message: /identityFile cannot be written: .* Give another path\.$/,
  });
  t.deepEqual(readdirSync(folder), []);
});

onPosix(
  'close answers the requests in flight, refuses connections at once, and ends idle connections',
  async (t) => {
    const answer = deferred<Uint8Array>();
    const backend = await start(t, { payloadProtocols: [ECHO], onRequest: () => answer.promise });
    const busy = await dial(t, backend.endpoint);
    const idle = await dial(t, backend.endpoint);
    busy.write(request('x'));
    while (backend.stats().requests === 0) await new Promise(setImmediate);
    const closed = backend.close();
    t.false(existsSync(backend.endpoint));
    t.is((await readToEnd(idle)).length, 0);
    busy.write(request('too late'));
    answer.resolve(Buffer.from('y'));
    t.is(framesIn(await readToEnd(busy)).length, 1);
    await closed;
    t.is(backend.stats().connections, 0);
  },
);

test('close waits for a request no longer than timeoutMs, and aborts its signal', async (t) => {
  const signal = deferred<AbortSignal>();
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: (one) => (signal.resolve(one.signal), new Promise<Uint8Array>(() => {})),
  });
  const client = await dial(t, backend.endpoint);
  client.write(request('x'));
  const aborted = once(await signal.promise, 'abort');
  const received = readToEnd(client);
  const sinceMs = performance.now();
  await backend.close({ timeoutMs: 20 });
  await aborted;
  t.is((await received).length, 0);
  const elapsedMs = performance.now() - sinceMs;
  // The default is 10 s: a close that ignores `timeoutMs` takes longer.
  t.true(elapsedMs >= 19 && elapsedMs < 10_000, String(elapsedMs));
});

test('close leaves connections of onConnection to the service until timeoutMs', async (t) => {
  const backend = await start(t, { onConnection: (socket) => void socket.resume() });
  const client = await dial(t, backend.endpoint);
  client.write('own');
  while (backend.stats().connections === 0) await new Promise(setImmediate);
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.resume();
  client.once('end', () => client.end());
  await backend.close({ timeoutMs: 30 });
  await ended;
  t.is(backend.stats().connections, 0);
});

/** A backend in a process of its own, whose program is given as source. */
function program(t: ExecutionContext, source: string, environment: NodeJS.ProcessEnv = {}) {
  const url = new URL('../../src/backend/index.js', import.meta.url).href;
  const file = join(directory(t), 'program.mjs');
  writeFileSync(file, `import { serveBackend } from ${JSON.stringify(url)};\n${source}`);
  const child = fork(file, { env: { ...process.env, ...environment }, execArgv: [] });
  t.teardown(() => void child.kill('SIGKILL'));
  return child;
}

onPosix(
  'SIGTERM ends a backend with closeOnSigterm: what is in flight is answered, its files go (L-27)',
  async (t) => {
    const folder = directory(t);
    const endpoint = join(folder, 'b.sock');
    const identityFile = join(folder, 'b.json');
    const child = program(
      t,
      `let go; const answer = new Promise((resolve) => (go = resolve));
    process.on('message', () => go(Buffer.from('y')));
    await serveBackend({ endpoint: ${JSON.stringify(endpoint)}, identityFile: ${JSON.stringify(identityFile)},
      identity: { exeHash: new Uint8Array(32) }, closeOnSigterm: true, payloadProtocols: [${ECHO}],
      onRequest: () => (process.send('asked'), answer) });
    process.send('serving');`,
    );
    await once(child, 'message');
    const client = await dial(t, endpoint);
    client.write(request('x'));
    await once(child, 'message');
    // The child may exit before the client has read the end.
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    while (existsSync(identityFile)) await new Promise(setImmediate);
    child.send('go');
    t.is(framesIn(await readToEnd(client)).length, 1);
    const [, signal] = await exited;
    t.is(signal, 'SIGTERM');
    t.false(existsSync(endpoint));
  },
);

withFfi(
  'a launched backend serves on the listener of the broker, without the variables (L-21, L-22, L-27)',
  async (t) => {
    const folder = directory(t);
    const endpoint = join(folder, 'launched.sock');
    const listener = listenWithoutAccepting(endpoint);
    const source = `
    const backend = await serveBackend({ identity: { exeHash: new Uint8Array(32) }, payloadProtocols: [${ECHO}],
      onRequest: () => Buffer.from(JSON.stringify([backend.launch, (await0).namespaceId, process.env.RUNNING_PROCESS_BROKER_LISTENER_FD ?? null])) });
    const await0 = (await backend.identity()).ipcEndpoint;
    process.stdout.write('serving');`;
    const url = new URL('../../src/backend/index.js', import.meta.url).href;
    const file = join(folder, 'program.mjs');
    writeFileSync(file, `import { serveBackend } from ${JSON.stringify(url)};\n${source}`);
    const child = spawn(process.execPath, [file], {
      stdio: ['ignore', 'pipe', 'inherit', listener],
      env: {
        ...process.env,
        RUNNING_PROCESS_BROKER_V1_SERVICE_NAME: 'svc',
        RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION: '1.2.3',
        RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE: endpoint,
        RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE: 'shared',
        RUNNING_PROCESS_BROKER_V1_INSTANCE: 'inst',
        RUNNING_PROCESS_BROKER_LISTENER_FD: '3',
      },
    });
    loadNative()?.system.close(listener);
    t.teardown(() => void child.kill('SIGKILL'));
    // This probe sits in the listener before the backend has begun, as the broker's does (X0-2).
    const client = await dial(t, endpoint);
    client.end(request('x'));
    const [frame] = framesIn(await readToEnd(client));
    t.deepEqual(JSON.parse(String(Buffer.from(frame!.payload))), [
      {
        serviceName: 'svc',
        serviceVersion: '1.2.3',
        endpoint,
        namespace: 'shared',
        instance: 'inst',
        traceparent: '',
        tracestate: '',
      },
      'shared',
      null,
    ]);
    child.kill('SIGTERM');
    const [, signal] = await once(child, 'exit');
    t.is(signal, 'SIGTERM');
    t.false(existsSync(endpoint));
  },
);

/** A listening socket, as a broker makes it for a backend. */
function listenWithoutAccepting(endpoint: string): number {
  const native = loadNative();
  const address = encodeAddress(endpoint);
  const descriptor = native?.system.openSocket() ?? -1;
  native?.binder?.define('int bind(int fd, const uint8_t *address, uint32_t length)')(
    descriptor,
    address,
    address.length,
  );
  native?.binder?.define('int listen(int fd, int backlog)')(descriptor, 16);
  return descriptor;
}

for (const [what, value, message] of [
  ['a file', '0', /must be the number of a descriptor/],
  ['no number', 'three', /must be the number of a descriptor/],
  ['a descriptor that is not open', '999', /descriptor 999, .* is not open/],
] as const) {
  onPosix(`a launched backend whose listener is ${what} says so and does not bind (L-21)`, async (t) => {
    const endpoint = join(directory(t), 'launched.sock');
    const child = program(
      t,
      `await serveBackend({ onConnection() {} }).catch((error) => process.send(error.message)); process.disconnect();`,
      { RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE: endpoint, RUNNING_PROCESS_BROKER_LISTENER_FD: value },
    );
    const exited = once(child, 'exit');
    const [told] = await once(child, 'message');
    t.regex(String(told), message);
    t.false(existsSync(endpoint));
    await exited;
  });
}
