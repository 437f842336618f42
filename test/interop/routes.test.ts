import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { BrokerPoolError, connectToBackend, type BackendConnection } from '../../src/index.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

async function echoes(t: ExecutionContext, { socket }: BackendConnection): Promise<void> {
  socket.write('ping');
  const [chunk]: Buffer[] = await once(socket, 'data');
  t.is(String(chunk), 'ping');
  await ended(socket);
}

async function ended(socket: Socket): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

function targetOf({ endpoints }: RealBroker) {
  return {
    brokerEndpoint: endpoints.broker,
    serviceName: endpoints.service,
    wantedVersion: endpoints.version,
  };
}

interopTest('without a cached endpoint the real broker negotiates one (C-16)', async (t) => {
  const real = await RealBroker.start(program);
  const connection = await connectToBackend({ ...targetOf(real), handoffToken: true });
  t.is(connection.route, 'broker-negotiated');
  t.is(connection.endpoint, real.endpoints.backend);
  t.is(connection.negotiated?.daemonVersion, real.endpoints.version, 'V-70');
  t.is(connection.negotiated?.keepaliveIntervalSecs, 1_800n, 'V-70');
  t.is(connection.handoffToken?.length, 16, 'V-71: every capable client gets a token');
  await echoes(t, connection);
  await real.stop();
});

interopTest('a cached endpoint is dialled without asking the broker (C-12)', async (t) => {
  const real = await RealBroker.start(program);
  const connection = await connectToBackend({
    ...targetOf(real),
    cachedBackendEndpoint: real.endpoints.backend,
  });
  t.is(connection.route, 'hello-skip');
  t.is(connection.negotiated, undefined);
  await echoes(t, connection);
  t.is((await real.stats()).hellos, 0);
  await real.stop();
});

interopTest('a stale cached endpoint falls back to the broker (C-13)', async (t) => {
  const real = await RealBroker.start(program);
  const connection = await connectToBackend({
    ...targetOf(real),
    cachedBackendEndpoint: `${real.directory}/gone.sock`,
  });
  t.is(connection.route, 'broker-negotiated');
  await echoes(t, connection);
  await real.stop();
});

interopTest('a cached endpoint is ignored when the versions differ (C-15)', async (t) => {
  const real = await RealBroker.start(program);
  const connection = await connectToBackend({
    ...targetOf(real),
    selfVersion: '0.0.1',
    cachedBackendEndpoint: real.endpoints.backend,
  });
  t.is(connection.route, 'broker-negotiated');
  await echoes(t, connection);
  await real.stop();
});

interopTest('an accepted handoff keeps the connection that carried the Hello (C-44)', async (t) => {
  const real = await RealBroker.start(program, 'accept');
  const connection = await connectToBackend({ ...targetOf(real), adoptHandedOffConnection: true });
  t.is(connection.route, 'handle-passed');
  t.is(connection.endpoint, real.endpoints.backend);
  await echoes(t, connection);
  t.is((await real.stats()).handoffs, 1);
  await real.stop();
});

interopTest('a rejected handoff becomes a reconnect without an error (C-50)', async (t) => {
  const real = await RealBroker.start(program, 'reject');
  const connection = await connectToBackend({ ...targetOf(real), adoptHandedOffConnection: true });
  t.is(connection.route, 'broker-negotiated');
  await echoes(t, connection);
  await real.stop();
});

interopTest('a handoff that stays silent becomes a reconnect when its time is up (C-45, C-51)', async (t) => {
  const real = await RealBroker.start(program, 'silent');
  const connection = await connectToBackend({
    ...targetOf(real),
    adoptHandedOffConnection: true,
    handoffReadyTimeoutMs: 100,
  });
  t.is(connection.route, 'broker-negotiated');
  await echoes(t, connection);
  await real.stop();
});

interopTest('a handoff endpoint that is missing becomes a reconnect at once (C-49)', async (t) => {
  const real = await RealBroker.start(program, 'none');
  const connection = await connectToBackend({ ...targetOf(real), adoptHandedOffConnection: true });
  t.is(connection.route, 'broker-negotiated');
  await echoes(t, connection);
  await real.stop();
});

interopTest('an unknown service is refused as such (R-14, C-37)', async (t) => {
  const real = await RealBroker.start(program);
  const error = await t.throwsAsync(connectToBackend({ ...targetOf(real), serviceName: 'unknown' }), {
    instanceOf: BrokerPoolError,
  });
  t.is(error?.code, 'REFUSED');
  t.is(error?.refusalKind, 'serviceUnknown');
  t.is(error?.refusalCode, 2);
  await real.stop();
});

interopTest('a version below the floor is refused as blocked (R-17, C-37)', async (t) => {
  const real = await RealBroker.start(program);
  const error = await t.throwsAsync(connectToBackend({ ...targetOf(real), wantedVersion: '0.9.0' }), {
    instanceOf: BrokerPoolError,
  });
  t.is(error?.code, 'REFUSED');
  t.is(error?.refusalKind, 'versionBlocked');
  t.is(error?.retryAfterMs, 30_000);
  await real.stop();
});
