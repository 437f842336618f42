import { BrokerPool, BrokerPoolError, sendAdminRequest } from '../../src/index.js';
import { interopTest } from './interop.js';
import { installShippedBroker, ShippedBroker } from './shipped-broker.js';

interopTest(
  'the shipped broker answers the admin verbs and ends at SHUTDOWN (A-02 to A-05, V-36)',
  async (t) => {
    installShippedBroker();
    const broker = await ShippedBroker.start(t);
    const brokerEndpoint = broker.endpoint;
    t.regex(
      (await sendAdminRequest({ brokerEndpoint, verb: 'STATUS' })).body,
      /broker_instance: launch/,
      'A-10',
    );
    t.like(await sendAdminRequest({ brokerEndpoint, verb: 'HEALTHZ' }), { body: 'ok\n', exitCode: 0 });
    t.like(await sendAdminRequest({ brokerEndpoint, verb: 'READYZ' }), { body: 'ready\n', exitCode: 0 });
    t.is((await sendAdminRequest({ brokerEndpoint, verb: 'METRICS' })).kind, 'openmetrics');
    t.is(
      (await sendAdminRequest({ brokerEndpoint, verb: 'LIST_INSTANCES' })).kind,
      'json',
      'A-03: JSON whatever was asked for',
    );
    t.is((await sendAdminRequest({ brokerEndpoint, verb: 'CONFIG' })).kind, 'json');
    t.is(await broker.stop(), 0);
  },
);

interopTest('the shipped broker refuses an unknown service with serviceUnknown (R-14)', async (t) => {
  installShippedBroker();
  const broker = await ShippedBroker.start(t);
  const pool = new BrokerPool({
    brokerEndpoint: broker.endpoint,
    serviceName: 'unknown',
    wantedVersion: '1.0.0',
  });
  t.teardown(() => pool.destroy());
  const error = await t.throwsAsync(pool.acquire(), { instanceOf: BrokerPoolError });
  t.like(error, { code: 'REFUSED', refusalKind: 'serviceUnknown' });
  await pool.close();
  t.is(await broker.stop(), 0);
});
