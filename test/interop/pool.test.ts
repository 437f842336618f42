import { once } from 'node:events';
import { BrokerPool } from '../../src/index.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

function poolOf(
  { endpoints }: RealBroker,
  options: ConstructorParameters<typeof BrokerPool>[0] = {},
): BrokerPool {
  return new BrokerPool({
    brokerEndpoint: endpoints.broker,
    serviceName: endpoints.service,
    wantedVersion: endpoints.version,
    ...options,
  });
}

interopTest('200 acquires at once on a cold pool send one Hello (X-23)', async (t) => {
  const real = await RealBroker.start(program);
  const pool = poolOf(real, { max: 200 });
  const leases = await Promise.all(Array.from({ length: 200 }, () => pool.acquire()));
  t.is(new Set(leases.map(({ socket }) => socket)).size, 200, 'nothing is leased twice');
  t.is((await real.stats()).hellos, 1);
  for (const lease of leases) lease.release();
  await pool.close();
  await real.stop();
});

interopTest('500 aborted acquires leave the broker serving (X-20, V-31)', async (t) => {
  const real = await RealBroker.start(program);
  for (let time = 0; time < 10; time++) {
    const pool = poolOf(real, { max: 50, endpointCache: false, maxConnecting: 8 });
    const abort = new AbortController();
    const acquires = Array.from({ length: 50 }, () => pool.acquire({ signal: abort.signal }));
    // Some are aborted before their connect has begun, some in the middle of it.
    if (time % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    for (const outcome of await Promise.allSettled(acquires)) {
      if (outcome.status === 'fulfilled') outcome.value.release();
      else t.is(outcome.reason.code, 'ABORTED');
    }
    if (time % 3 === 0) await pool.destroy();
    else await pool.close();
  }
  const pool = poolOf(real);
  t.is(await pool.use(({ route }) => route), 'broker-negotiated', 'the broker still negotiates');
  await pool.close();
  t.is((await real.stats()).restarts, 0);
  await real.stop();
});

interopTest('a pool that adopts hands out the connection that carried the Hello', async (t) => {
  const real = await RealBroker.start(program, 'accept');
  const pool = poolOf(real, { adoptHandedOffConnection: true });
  await pool.use(async ({ socket, route }) => {
    t.is(route, 'handle-passed');
    socket.write('through the pool');
    const [chunk]: Buffer[] = await once(socket, 'data');
    t.is(String(chunk), 'through the pool');
  });
  t.is(await pool.use(({ route }) => route), 'handle-passed', 'it is pooled');
  await pool.close();
  await real.stop();
});

interopTest('16 callers who each need a Hello all get their connections', async (t) => {
  const real = await RealBroker.start(program);
  const pool = poolOf(real, { max: 16, maxConnecting: 16, endpointCache: false });
  let connections = 0;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let time = 0; time < 20; time++) {
        const lease = await pool.acquire();
        connections += 1;
        lease.destroy();
      }
    }),
  );
  t.is(connections, 320);
  t.is((await real.stats()).hellos, 320);
  t.is((await real.stats()).restarts, 0);
  await pool.close();
  await real.stop();
});
