import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { EmbeddedBroker } from '../../src/testing/index.js';
import {
  AdminReplyKind,
  AdminVerb,
  decodeAdminReply,
  encodeAdminRequest,
  FrameKind,
  PayloadProtocol,
  type AdminReply,
  type AdminRequest,
  type Frame,
} from '../../src/wire/messages.js';
import { exchange, framesIn, request } from './raw-peer.js';

const ECHO = endpointIn('/run', 'echo');
const TWO = endpointIn('/run', 'two');

async function startBroker(t: ExecutionContext): Promise<EmbeddedBroker> {
  const services = {
    echo: { endpoint: ECHO, version: '1.0.0' },
    two: { endpoint: TWO, versions: ['1.0.0', '2.0.0'] },
  };
  const broker = await EmbeddedBroker.start({ services });
  t.teardown(() => broker.stop());
  return broker;
}

function adminRequest(changes: Partial<AdminRequest>, envelope: Partial<Frame> = {}): Uint8Array {
  return request(encodeAdminRequest(changes), { payloadProtocol: PayloadProtocol.ADMIN, ...envelope });
}

async function ask(broker: EmbeddedBroker, changes: Partial<AdminRequest>): Promise<AdminReply> {
  const [frame] = framesIn(await exchange(broker.endpoint, adminRequest(changes)));
  if (frame?.kind !== FrameKind.RESPONSE || frame.payloadProtocol !== PayloadProtocol.ADMIN)
    throw new Error('no admin response');
  if (frame.requestId !== 7n || frame.traceparent !== 'parent' || frame.tracestate !== 'state')
    throw new Error('not echoed (A-01)');
  return decodeAdminReply(frame.payload);
}

const texts: readonly (readonly [number, string, number])[] = [
  [AdminVerb.STATUS, 'broker_instance: embedded\naccepting_hello: true\n', 0],
  [AdminVerb.HEALTHZ, 'ok\n', 0],
  [AdminVerb.READYZ, 'ready\n', 0],
  [AdminVerb.SHUTDOWN, 'broker shutting down\n', 0],
  [AdminVerb.UNSPECIFIED, 'unsupported admin verb\n', 2],
  [20, 'unsupported admin verb\n', 2],
];

for (const [verb, body, exitCode] of texts) {
  test(`admin verb ${verb} is answered ${JSON.stringify(body)} (A-02, A-04, A-05)`, async (t) => {
    const broker = await startBroker(t);
    t.deepEqual(await ask(broker, { verb }), {
      kind: AdminReplyKind.TEXT,
      body,
      exitCode,
      contentType: 'text/plain',
    });
    t.is(broker.adminCount, 1);
  });
}

const documents: readonly (readonly [number, boolean, string])[] = [
  [AdminVerb.STATUS, true, 'status'],
  [AdminVerb.DUMP, false, 'dump'],
  [AdminVerb.LIST_INSTANCES, false, 'list-instances'],
  [AdminVerb.BACKEND_HEALTH, false, 'backend-health'],
  [AdminVerb.CONFIG, false, 'config'],
  [AdminVerb.DIAGNOSE, false, 'diagnose'],
];

for (const [verb, json, command] of documents) {
  test(`admin verb ${verb} is answered with a JSON document named ${command}, its keys in order (A-03, A-07)`, async (t) => {
    const reply = await ask(await startBroker(t), { verb, json });
    t.is(reply.kind, AdminReplyKind.JSON);
    t.is(reply.contentType, 'application/json');
    const document: Record<string, unknown> = JSON.parse(reply.body);
    t.like(document, { command, schema_version: 1 });
    t.is(typeof document['generated_at_unix_ms'], 'number');
    t.deepEqual(Object.keys(document), Object.keys(document).toSorted());
  });
}

test('status lists each version of each service; backend-health those of one (A-08, A-11)', async (t) => {
  const broker = await startBroker(t);
  const status: unknown = JSON.parse((await ask(broker, { verb: AdminVerb.STATUS, json: true })).body);
  t.like(status, { accepting_hello: true, broker_pid: process.pid, fd_pressure: { demoted: false } });
  t.like(status, {
    backends: { 0: { service_name: 'echo', backend_pipe: ECHO, state: 'running' }, length: 3 },
  });
  const health: unknown = JSON.parse(
    (await ask(broker, { verb: AdminVerb.BACKEND_HEALTH, serviceName: 'two' })).body,
  );
  t.like(health, { service_name: 'two', backends: { length: 2 } });
  t.like(JSON.parse((await ask(broker, { verb: AdminVerb.BACKEND_HEALTH })).body), {
    service_name: 'unknown',
  });
});

test('metrics name every metric and end as OpenMetrics does (M-01, M-02)', async (t) => {
  const { body, contentType, kind } = await ask(await startBroker(t), { verb: AdminVerb.METRICS });
  t.is(kind, AdminReplyKind.OPENMETRICS);
  t.is(contentType, 'application/openmetrics-text');
  t.is(body.match(/^# TYPE running_process_broker_v1_\w+ (?:counter|gauge|histogram)$/gm)?.length, 8);
  t.regex(body, /\nrunning_process_broker_v1_uptime_seconds \d+\n# EOF\n$/);
});

const malformed: readonly Partial<Frame>[] = [
  { envelopeVersion: 2 },
  { kind: FrameKind.EVENT },
  { payloadEncoding: 1 },
  { payload: Buffer.from([255]) },
];

for (const envelope of malformed) {
  test(`an admin request with ${JSON.stringify(envelope)} gets no reply (A-06)`, async (t) => {
    const broker = await startBroker(t);
    t.is((await exchange(broker.endpoint, adminRequest({ verb: AdminVerb.HEALTHZ }, envelope))).length, 0);
    t.is(broker.adminCount, 0);
  });
}

test('admin replies can be replaced, and misbehave like any reply', async (t) => {
  const broker = await startBroker(t);
  broker.answerAdmin = ({ verb }) =>
    verb === AdminVerb.READYZ
      ? { kind: AdminReplyKind.TEXT, body: 'not ready\n', exitCode: 1, contentType: 'text/plain' }
      : undefined;
  t.like(await ask(broker, { verb: AdminVerb.READYZ }), { body: 'not ready\n', exitCode: 1 });
  t.is((await ask(broker, { verb: AdminVerb.HEALTHZ })).body, 'ok\n');
  broker.adminBehaviour = { kind: 'close' };
  t.is((await exchange(broker.endpoint, adminRequest({ verb: AdminVerb.HEALTHZ }))).length, 0);
});
