import { sendAdminRequest, type AdminVerbName } from '../../src/index.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

interopTest('the real broker answers STATUS as text and as JSON (A-02, A-08)', async (t) => {
  const real = await RealBroker.start(program);
  const brokerEndpoint = real.endpoints.broker;
  const text = await sendAdminRequest({ brokerEndpoint, verb: 'STATUS' });
  t.is(text.kind, 'text');
  t.is(text.exitCode, 0);
  t.regex(text.body, /accepting_hello: true/);
  const json = await sendAdminRequest({ brokerEndpoint, verb: 'STATUS', json: true });
  t.is(json.kind, 'json');
  t.is(json.contentType, 'application/json');
  const status: { accepting_hello: boolean; schema_version: number } = JSON.parse(json.body);
  t.true(status.accepting_hello);
  t.is(status.schema_version, 1, 'A-07');
  await real.stop();
});

interopTest('HEALTHZ and READYZ answer with the bodies that probes rely on (A-04)', async (t) => {
  const real = await RealBroker.start(program);
  const ask = (verb: AdminVerbName) => sendAdminRequest({ brokerEndpoint: real.endpoints.broker, verb });
  t.like(await ask('HEALTHZ'), { kind: 'text', body: 'ok\n', exitCode: 0 });
  t.like(await ask('READYZ'), { kind: 'text', body: 'ready\n', exitCode: 0 });
  await real.stop();
});

interopTest('METRICS come as OpenMetrics (A-05, M-02)', async (t) => {
  const real = await RealBroker.start(program);
  const metrics = await sendAdminRequest({ brokerEndpoint: real.endpoints.broker, verb: 'METRICS' });
  t.is(metrics.kind, 'openmetrics');
  t.regex(metrics.body, /running_process_broker_v1_uptime_seconds/);
  t.true(metrics.body.endsWith('# EOF\n'));
  await real.stop();
});
