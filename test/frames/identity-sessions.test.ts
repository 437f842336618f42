import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveBackend, type BackendOptions } from '../../src/backend/index.js';
import { openSession } from '../../src/frames/index.js';
import type { ExecutionContext } from 'ava';
import { failureOf } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { endpointIn } from '../helpers/endpoints.js';
import { PROTOCOL } from './frame-backend.js';
import { bytes, text } from './kit.js';

/** Far more than a probe takes, for a busy machine. */
const options = { payloadProtocol: PROTOCOL, probeTimeoutMs: 20_000, timeoutMs: 120_000 };

async function serve(
  t: ExecutionContext,
  directory: string,
  more: Partial<BackendOptions> = {},
): Promise<string> {
  const identityFile = join(directory, 'service.identity.json');
  const backend = await serveBackend({
    endpoint: endpointIn(directory, 'service'),
    payloadProtocols: [PROTOCOL],
    onRequest: ({ payload }) => payload,
    identityFile,
    ...more,
  });
  t.teardown(() => backend.close());
  return identityFile;
}

// One after the other: the first one hashes the executable of Node.
test.serial('a session finds a backend by its identity file, without a broker (S-80)', async (t) => {
  const identityFile = await serve(t, temporaryDirectory(t));
  const session = openSession({ identityFile }, options);
  t.teardown(() => session.close());
  t.is(text(await session.request(bytes('hello'))), 'hello');
  const answers = await Promise.all(['a', 'b', 'c'].map((name) => session.request(bytes(name))));
  t.deepEqual(answers.map(text), ['a', 'b', 'c']);
});

test.serial('a session finds a backend that has restarted elsewhere', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'service.identity.json');
  const session = openSession({ identityFile }, { ...options, connections: 1 });
  t.teardown(() => session.close());
  t.is((await failureOf(session.request(bytes('x')))).code, 'IDENTITY_FILE');
  const first = await serveBackend({
    endpoint: endpointIn(directory, 'first'),
    payloadProtocols: [PROTOCOL],
    onRequest: () => bytes('first'),
    identityFile,
  });
  t.is(text(await session.request(bytes('x'))), 'first');
  await first.close();
  await serve(t, directory, { endpoint: endpointIn(directory, 'second'), onRequest: () => bytes('second') });
  t.is(text(await session.request(bytes('x'), { idempotent: true })), 'second');
});

test.serial('another process at the endpoint of the identity gets no request', async (t) => {
  const directory = temporaryDirectory(t);
  let requests = 0;
  const identityFile = await serve(t, directory, {
    namespace: 'shared',
    onRequest: () => {
      requests++;
      return bytes('');
    },
  });
  const content = readFileSync(identityFile, 'utf8');
  writeFileSync(identityFile, content.replace('"namespace_id": "shared"', '"namespace_id": "private:other"'));
  const session = openSession({ identityFile }, options);
  t.teardown(() => session.close());
  const error = await failureOf(session.request(bytes('x')));
  t.is(error.code, 'IDENTITY_MISMATCH');
  t.regex(error.message, /namespace shared/);
  t.is(requests, 0);
  rmSync(identityFile);
});
