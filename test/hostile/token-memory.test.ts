import { systemClock } from '../../src/clock.js';
import { HybridDriver } from '../../src/negotiation/hybrid-driver.js';
import type { Driver } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { loadNative } from '../../src/os/native.js';
import { BrokerPool, connectSharedPool, type Lease } from '../../src/index.js';
import { canHandOff } from '../../src/testing/embedded-backend.js';
import { lastingSystem } from '../helpers/lasting-system.js';
import { countInOwnMemory, masked, type MaskedWord } from '../helpers/own-memory.js';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import { workerDriver } from '../negotiation/drivers-kit.js';

const native = loadNative();
const memoryTest = testWhere(
  process.platform === 'linux' && native !== undefined && canHandOff(),
  'the C library and Linux, where memory is read',
  test.serial,
);
const COUNT = 4;

const systemOf = lastingSystem({ handoff: 'accept' });

/**
 * Connections whose bytes do not come through a stream: the package cannot overwrite the buffers that Node
 * reads a stream into and frees.
 */
const WAITS: readonly (readonly [
  title: string,
  createDriver: () => Driver,
  adoptHandedOffConnection: boolean,
])[] =
  native === undefined
    ? []
    : [
        ['adopted connections that the wait thread waited for', () => workerDriver(native), true],
        ['negotiated connections that the wait thread waited for', () => workerDriver(native), false],
        [
          'negotiated connections that the event loop waited for',
          () => new EventLoopDriver(systemClock, native),
          false,
        ],
        ['negotiated connections that both waited for', () => new HybridDriver(native), false],
      ];

/** The tokens of the leases, as only this test knows them. */
function tokensOf(leases: readonly Lease[]): MaskedWord[] {
  return leases.map(({ handoffToken }) => {
    if (handoffToken?.length !== 16) throw new Error('no token');
    return masked(handoffToken);
  });
}

/**
 * How often each token is in memory while its connection is open, and when it is closed. A processor's
 * registers hold a token while it is copied, and code that saves registers, such as the dynamic linker, may
 * leave one on a stack, once in dozens of connections. So the best of several tries counts: a copy that the
 * package forgets shows in each of them.
 */
async function fewestCopies(expected: CopyCounts, count: () => Promise<CopyCounts>): Promise<CopyCounts> {
  let fewest = await count();
  for (let tries = 1; tries < 3 && copiesIn(fewest) > copiesIn(expected); tries += 1) {
    const next = await count();
    if (copiesIn(next) < copiesIn(fewest)) fewest = next;
  }
  return fewest;
}

interface CopyCounts {
  readonly open: readonly number[];
  /** When no thread shares the pool any more. */
  readonly unshared?: readonly number[];
  readonly closed: readonly number[];
}

const COPIES: CopyCounts = { open: [1, 1, 1, 1], closed: [0, 0, 0, 0] };
const SHARED_COPIES: CopyCounts = { open: [2, 2, 2, 2], unshared: [1, 1, 1, 1], closed: [0, 0, 0, 0] };

function copiesIn({ open, unshared = [], closed }: CopyCounts): number {
  return [...open, ...unshared, ...closed].reduce((sum, count) => sum + count, 0);
}

for (const [title, createDriver, adoptHandedOffConnection] of WAITS) {
  memoryTest(`the token of ${title} is in memory once, and not at all when they are closed`, async (t) => {
    const system = await systemOf(t);
    const counts = await fewestCopies(COPIES, async () => {
      const pool = new BrokerPool(
        {
          ...system.target,
          adoptHandedOffConnection,
          handoffToken: true,
          max: COUNT,
          maxConnecting: COUNT,
          endpointCache: false,
        },
        undefined,
        createDriver,
      );
      t.teardown(() => pool.destroy());
      const leases = await Promise.all(Array.from({ length: COUNT }, () => pool.acquire()));
      const tokens = tokensOf(leases);
      const open = countInOwnMemory(tokens);
      for (const lease of leases) lease.release();
      await pool.close();
      return { open, closed: countInOwnMemory(tokens) };
    });
    t.deepEqual(counts, COPIES);
  });
}

memoryTest(
  'a thread that shares a pool has one more copy of the token, until the connection closes',
  async (t) => {
    const system = await systemOf(t);
    const counts = await fewestCopies(SHARED_COPIES, async () => {
      const pool = new BrokerPool({
        ...system.target,
        handoffToken: true,
        max: COUNT,
        maxConnecting: COUNT,
        endpointCache: false,
      });
      t.teardown(() => pool.destroy());
      const shared = await connectSharedPool(pool.share());
      const leases = await Promise.all(Array.from({ length: COUNT }, () => shared.acquire()));
      const tokens = tokensOf(leases);
      const open = countInOwnMemory(tokens);
      for (const lease of leases) lease.release();
      await shared.close();
      const unshared = countInOwnMemory(tokens);
      await pool.close();
      return { open, unshared, closed: countInOwnMemory(tokens) };
    });
    t.deepEqual(counts, SHARED_COPIES);
  },
);
