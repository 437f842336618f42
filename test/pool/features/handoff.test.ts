import { BrokerPool } from '../../../src/index.js';
import { canHandOff } from '../../../src/testing/embedded-backend.js';
import type { BrokerBehaviour } from '../../../src/testing/index.js';
import type { Hello } from '../../../src/wire/messages.js';
import { openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';

const whereHandedOver = testWhere(canHandOff(), 'descriptors that can be passed');

/** A token and the capability bit: the broker offers a handoff, and makes none. */
const EMPTY_PROMISE = {
  kind: 'negotiate',
  negotiated: { serverCapabilities: 1n, handlePassedToken: new Uint8Array(16).fill(7) },
} as const;

/** Opens so many connections one after the other, each negotiated. */
async function openAll(pool: BrokerPool, count: number): Promise<void> {
  for (let opened = 0; opened < count; opened++)
    await pool.use(async (lease) => {
      await echo(lease.socket, 'x');
      lease.destroy();
    });
}

for (const adoptHandedOffConnection of [true, 'auto'] as const) {
  test(`with ${adoptHandedOffConnection}, a broker that offers and never hands over costs the ready timeout three times at most`, async (t) => {
    const asked: boolean[] = [];
    const decide = ({ clientCapabilities }: Hello): BrokerBehaviour => {
      asked.push(clientCapabilities !== 0n);
      // The ready event would come when the broker ends.
      return { kind: 'lateReady', wait: new Promise(() => {}) };
    };
    const system = await startSystem(t, { broker: { decide } });
    const handoffReadyTimeoutMs = 100;
    const pool = openPool(t, system.target, {
      adoptHandedOffConnection,
      handoffReadyTimeoutMs,
      endpointCache: false,
    });
    const waits: number[] = [];
    pool.on('connectionReady', ({ connectMs }) => waits.push(connectMs));
    await openAll(pool, 10);
    t.is(waits.length, 10);
    t.true(waits.slice(0, 3).every((connectMs) => connectMs >= handoffReadyTimeoutMs - 1));
    // Without a handoff to wait for, a connect takes as long as the machine needs, and no more.
    t.deepEqual(
      asked,
      asked.map((_, index) => index < 3),
    );
    t.is(pool.stats().createdByRoute['broker-negotiated'], 10);
  });
}

whereHandedOver('auto tries both routes, at least three connections each', async (t) => {
  const system = await startSystem(t, { backend: { handoff: 'accept' } });
  const pool = openPool(t, system.target, { adoptHandedOffConnection: 'auto', endpointCache: false });
  await openAll(pool, 8);
  const { createdByRoute } = pool.stats();
  t.is(createdByRoute['handle-passed'] + createdByRoute['broker-negotiated'], 8);
  t.true(createdByRoute['handle-passed'] >= 3);
  t.true(createdByRoute['broker-negotiated'] >= 3);
});

whereHandedOver('a pool without adoption does not wait for the ready event', async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = EMPTY_PROMISE;
  const pool = openPool(t, system.target, {
    adoptHandedOffConnection: false,
    handoffReadyTimeoutMs: 60_000,
    endpointCache: false,
    acquireTimeoutMs: 10_000,
  });
  await openAll(pool, 3);
  t.is(pool.stats().createdByRoute['broker-negotiated'], 3);
});
