import { BrokerPoolError, connectLocalSocket, sendAdminRequest } from '../../src/index.js';
import { AdminReplyKind } from '../../src/wire/messages.js';
import { endpointIn } from '../helpers/endpoints.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { closed, echo, startSystem } from '../helpers/system.js';

test('an admin request is one connection, one question, one answer (C-60)', async (t) => {
  const { broker } = await startSystem(t);
  t.like(await sendAdminRequest({ brokerEndpoint: broker.endpoint, verb: 'HEALTHZ' }), {
    kind: 'text',
    body: 'ok\n',
    exitCode: 0,
  });
  t.is(broker.adminCount, 1);
  t.is(broker.connectionCount, 1);
});

test('an answer with an exit code other than 0 is an answer (C-62)', async (t) => {
  const { broker } = await startSystem(t);
  broker.answerAdmin = () => ({
    kind: AdminReplyKind.TEXT,
    body: 'not ready\n',
    exitCode: 1,
    contentType: 'text/plain',
  });
  t.deepEqual(await sendAdminRequest({ brokerEndpoint: broker.endpoint, verb: 'READYZ' }), {
    kind: 'text',
    body: 'not ready\n',
    exitCode: 1,
    contentType: 'text/plain',
  });
});

test('a silent broker is TIMEOUT in phase admin, and its connection stays open until the reply (C-61, X-20)', async (t) => {
  const { broker } = await startSystem(t);
  broker.adminBehaviour = { kind: 'silent' };
  const error = await t.throwsAsync(
    sendAdminRequest({ brokerEndpoint: broker.endpoint, verb: 'STATUS', timeoutMs: scaled(50) }),
    {
      instanceOf: BrokerPoolError,
    },
  );
  t.like(error, { code: 'TIMEOUT', phase: 'admin' });
  await broker.until(() => broker.adminCount === 1);
  broker.releaseSilent();
  await broker.until(() => broker.openConnections === 0);
  t.is(broker.earlyHangUps, 0);
});

test('an unknown verb or option is an INVALID_ARGUMENT before any connect', async (t) => {
  // What becomes a verb as a string is none, and what does not become a string is no accident in the refusal.
  for (const verb of [
    'STATUSES',
    'UNSPECIFIED',
    'toString',
    '',
    5n,
    5,
    Symbol('STATUS'),
    ['STATUS'],
    null,
    Object.create(null),
    undefined,
  ]) {
    await t.throwsAsync(sendAdminRequest({ brokerEndpoint: endpointIn('/tmp', 'none'), verb }), {
      code: 'INVALID_ARGUMENT',
      message: /^verb must be one of STATUS, DUMP.*, got /,
    });
  }
});

test('a local socket by path, and by abstract name on Linux', async (t) => {
  const { backend } = await startSystem(t);
  const byPath = await connectLocalSocket(backend.endpoint);
  t.is(await echo(byPath, 'path'), 'path');
  await closed(byPath);
  if (process.platform !== 'linux') return;
  const abstract = await startSystem(t, {
    backend: { endpoint: `\0broker-pool-test-${process.pid}-abstract` },
  });
  const byName = await connectLocalSocket(abstract.backend.endpoint);
  t.is(await echo(byName, 'name'), 'name');
  await closed(byName);
});

test('a local socket that is not there is BACKEND_CONNECT with its cause', async (t) => {
  const error = await t.throwsAsync(connectLocalSocket(endpointIn('/tmp', 'broker-pool-none')), {
    instanceOf: BrokerPoolError,
  });
  t.like(error, { code: 'BACKEND_CONNECT', endpoint: endpointIn('/tmp', 'broker-pool-none') });
  t.true(error?.cause instanceof Error);
  t.like(error?.cause, { code: 'ENOENT', syscall: 'connect' });
});
