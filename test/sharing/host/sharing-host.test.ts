import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { monotonicNowMs } from '../../../src/clock.js';
import { BrokerPoolError } from '../../../src/errors.js';
import { loadDescriptorCalls } from '../../../src/os/descriptors.js';
import type { AcquireOptions } from '../../../src/pool/options.js';
import type { HostMessage } from '../../../src/sharing/protocol.js';
import { HostPort, type PoolToShare } from '../../../src/sharing/host/sharing-host.js';
import { SHARING, testWhere } from '../../helpers/test-where.js';
import { canShare } from '../kit.js';

const sharingTest = testWhere(canShare, SHARING);

/**
 * The time that an acquire gets in the pool when its message took so long, of the time that the caller gave.
 */
async function timeLeftAfter(delayMs: number, timeoutMs: number): Promise<number | undefined> {
  const calls = loadDescriptorCalls();
  if (calls === undefined) throw new Error('no descriptors can be shared here');
  const { port1, port2 } = new MessageChannel();
  const acquired: AcquireOptions[] = [];
  const pool: PoolToShare = {
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
