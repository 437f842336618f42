import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { monotonicNowMs } from '../../../src/clock.js';
import { BrokerPoolError } from '../../../src/errors.js';
import { loadDescriptorCalls } from '../../../src/os/descriptors.js';
import type { LeasingPool } from '../../../src/pool/leasing-pool.js';
import type { AcquireOptions } from '../../../src/pool/options.js';
import type { HostMessage } from '../../../src/sharing/protocol.js';
import { HostPort } from '../../../src/sharing/host/sharing-host.js';
import { SHARING, testWhere } from '../../helpers/test-where.js';
import { HostConnection } from '../../../src/sharing/host/host-connection.js';
import { errno } from '../../../src/os/errno.js';
import { heldBy } from '../../../src/pool/lease.js';
import { PooledConnection } from '../../../src/pool/pooled-connection.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { canShare, openPool } from '../kit.js';

const sharingTest = testWhere(canShare, SHARING, test);

/**
 * The time that an acquire gets in the pool when its message took so long, of the time that the caller gave.
 */
async function timeLeftAfter(delayMs: number, timeoutMs: number): Promise<number | undefined> {
  const calls = loadDescriptorCalls();
  if (calls === undefined) throw new Error('no descriptors can be shared here');
  const { port1, port2 } = new MessageChannel();
  const acquired: AcquireOptions[] = [];
  const pool: Required<LeasingPool> = {
    tryAcquire: () => undefined,
    acquire: (options = {}) => {
      acquired.push(options);
      return Promise.reject(new BrokerPoolError('TIMEOUT', 'no connection'));
    },
  };
  const port = new HostPort(port1, calls, pool, { acquireTimeoutMs: 1_000 });
  const answered = new Promise<void>((resolve) => {
    port2.on('message', ({ kind }: HostMessage) => {
      if (kind === 'failed') resolve();
    });
  });
  port2.postMessage({
    kind: 'acquire',
    acquireId: 1,
    timeoutMs,
    askedAtMs: monotonicNowMs() - delayMs,
    abortable: false,
  });
  await answered;
  const closed = once(port2, 'close');
  port.end(new BrokerPoolError('POOL_CLOSED', 'the test is over'));
  await closed;
  return acquired[0]?.timeoutMs;
}

sharingTest('the time that an acquire takes between threads counts against its deadline', async (t) => {
  const leftMs = await timeLeftAfter(600, 1_000);
  t.true(leftMs !== undefined && leftMs <= 400 && leftMs > 0, `${leftMs} ms are left`);
});

sharingTest('an acquire that arrives after its deadline gets one millisecond', async (t) => {
  t.is(await timeLeftAfter(5_000, 1_000), 1);
});

sharingTest(
  'an acquire with the number of a lease that is out ends the sharing with its thread',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    const port = pool.share();
    const acquire = { kind: 'acquire', acquireId: 1, timeoutMs: 60_000, abortable: false } as const;
    const ask = (): void => port.postMessage({ ...acquire, askedAtMs: monotonicNowMs() });
    let leases = 0;
    const code = await new Promise<string | undefined>((resolve) => {
      port.on('message', (message: HostMessage) => {
        if (message.kind === 'ended') resolve(message.error.code);
        if (message.kind !== 'lease') return;
        leases += 1;
        if (leases === 1) ask();
        else resolve(undefined);
      });
      ask();
    });
    t.is(code, 'WORKER_FAILED');
    port.close();
  },
);

sharingTest(
  'a connection that comes back from another thread is kept only if nothing can be read',
  async (t) => {
    const calls = loadDescriptorCalls();
    const pool = openPool(t, await startSystem(t));
    const lease = await pool.acquire();
    const pooled = heldBy(lease);
    if (calls === undefined || !(pooled instanceof PooledConnection)) return t.fail();
    let peeked = 0;
    const connection = HostConnection.of(pooled, { ...calls, peek: () => peeked });
    connection.lend();
    for (const [result, problem] of [
      [0, 'stale'],
      [1, 'dirty'],
      [-(errno['ECONNRESET'] ?? 0), 'error'],
      [-(errno['EAGAIN'] ?? 0), undefined],
    ] as const) {
      peeked = result;
      t.is(connection.takeBack(), problem, String(result));
    }
    t.false(connection.isLeasedElsewhere);
    lease.release();
  },
);
