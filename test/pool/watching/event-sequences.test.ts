import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { Failure } from '../../../src/errors.js';
import { RefusalCode, type BrokerPoolOptions, type Lease } from '../../../src/index.js';
import { EventLog } from '../../helpers/event-log.js';
import { fakePool, REFUSAL, settled, type FakePool } from '../../helpers/fake-pool.js';
import type { FakeSocket } from '../../helpers/fake-peers.js';
import { collectGarbage } from '../../helpers/garbage.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

/** The table of docs/events.md: what happens, and the events. */
function documented(): Map<string, string> {
  // From dist/test/pool/watching the documents are four levels up.
  const page = readFileSync(new URL('../../../../docs/events.md', import.meta.url), 'utf8');
  const rows = page
    .slice(page.indexOf('## Sequences'))
    .split('\n')
    .filter((line) => line.startsWith('| '));
  return new Map(
    rows.slice(1).map((row) => {
      const [, what = '', events = ''] = row.split('|').map((cell) => cell.trim());
      return [what, events];
    }),
  );
}

interface Stage extends FakePool {
  readonly log: EventLog;
}

interface Row {
  readonly options?: BrokerPoolOptions;
  /** The events before. */
  readonly before?: (stage: Stage) => Promise<unknown>;
  readonly run: (stage: Stage) => Promise<unknown>;
}

/** An acquire whose failure the events are to tell about. */
function attempt({ pool }: Stage, options?: Parameters<FakePool['pool']['acquire']>[0]): void {
  pool.acquire(options).catch(() => {});
}

async function leased({ pool, connect }: Stage): Promise<{ lease: Lease; socket: FakeSocket }> {
  const acquiring = pool.acquire();
  const socket = await connect();
  return { lease: await acquiring, socket };
}

async function idle(stage: Stage): Promise<FakeSocket> {
  const { lease, socket } = await leased(stage);
  lease.release();
  await stage.pass(1);
  return socket;
}

/** A row that begins with one leased connection. */
function withLease(
  run: (stage: Stage, lease: Lease, socket: FakeSocket) => unknown,
  options: BrokerPoolOptions = {},
  waiting = false,
): Row {
  let held: { lease: Lease; socket: FakeSocket };
  return {
    options: { max: 1, ...options },
    before: async (stage) => {
      held = await leased(stage);
      if (waiting) attempt(stage);
      await settled();
    },
    run: async (stage) => await run(stage, held.lease, held.socket),
  };
}

/** A row that begins with one idle connection. */
function withIdle(run: (stage: Stage, socket: FakeSocket) => unknown, options: BrokerPoolOptions = {}): Row {
  let socket: FakeSocket;
  return {
    options,
    before: async (stage) => (socket = await idle(stage)),
    run: async (stage) => await run(stage, socket),
  };
}

const other = { serviceName: 'other' };

const COME_BACK_LATER: Failure = {
  code: 'REFUSED',
  message: 'too many',
  refusalKind: 'rateLimited',
  refusalCode: RefusalCode.RATE_LIMITED,
  retryAfterMs: 1_000,
};

/** Has come back what the row began with. */
let comeBack = async (): Promise<void> => {};

const rows: Readonly<Record<string, Row>> = {
  'create: an acquire finds nothing idle': { run: leased },
  'create: `min` is 1': {
    options: { min: 1 },
    run: async ({ connect }) => (await settled(), await connect()),
  },
  'checkout: an acquire finds c1 idle': withIdle(({ pool }) => pool.acquire()),
  'checkout: `tryAcquire` finds c1 idle': withIdle(({ pool }) => pool.tryAcquire()),
  'checkout: `tryAcquire` finds nothing idle': { run: async ({ pool }) => pool.tryAcquire() },
  'checkin: no caller waits': withLease((_stage, lease) => lease.release()),
  'checkin: a caller waits [acquireStarted a2]': withLease((_stage, lease) => lease.release(), {}, true),
  'checkin: unread bytes are left': withLease((_stage, lease, socket) => {
    socket.push('unread');
    lease.release();
  }),
  'checkin: it was leased `maxUses` times': withLease((_stage, lease) => lease.release(), { maxUses: 1 }),
  'checkin: its backend has ended meanwhile': withLease((_stage, lease, socket) => {
    socket.push(null);
    lease.release();
  }),
  'c1 breaks off while it is leased, and is released later': withLease((_stage, lease, socket) => {
    socket.destroy(new Error('reset'));
    lease.release();
  }),
  '`lease.destroy()`': withLease((_stage, lease) => lease.destroy()),
  "`lease.destroy('error')`, a caller waits [acquireStarted a2]": withLease(
    ({ connect }, lease) => {
      lease.destroy('error');
      return connect();
    },
    {},
    true,
  ),
  'the backend ends idle c1': withIdle((_stage, socket) => socket.push(null)),
  'idle c1 breaks off': withIdle((_stage, socket) => socket.destroy(new Error('reset'))),
  'idle c1 speaks': withIdle((_stage, socket) => socket.push('unasked')),
  'c1 has been idle for `idleTimeoutMs`': withIdle(({ pass }) => pass(1_000), { idleTimeoutMs: 500 }),
  'c1 is older than `maxLifetimeMs`': withIdle(({ pass }) => pass(1_000), { maxLifetimeMs: 500 }),
  'clear: c1 is idle': withIdle(({ pool }) => pool.clear()),
  'clear: c1 is leased': withLease(({ pool }, lease) => {
    pool.clear();
    lease.release();
  }),
  'clear: c1 is being opened for a1 [acquireStarted a1, connectionCreated c1]': {
    before: async (stage) => attempt(stage),
    run: async ({ pool, connect }) => {
      pool.clear();
      await connect();
      await connect();
    },
  },
  'close: c1 is idle': withIdle(({ pool }) => pool.close()),
  'close: c1 is leased, a caller waits [acquireStarted a2]': {
    options: { max: 1 },
    before: async (stage) => {
      const { lease } = await leased(stage);
      const next = stage.pool.acquire();
      comeBack = async () => {
        lease.release();
        (await next).release();
      };
    },
    run: async ({ pool }) => {
      const closing = pool.close();
      await comeBack();
      await closing;
    },
  },
  'close: c1 does not come back in time, a caller waits [acquireStarted a2]': withLease(
    async ({ pool, pass }) => {
      const closing = pool.close({ timeoutMs: 1_000 });
      await pass(1_000);
      await closing;
    },
    {},
    true,
  ),
  'close: c1 is leased, an acquire comes too late': withLease((stage) => {
    void stage.pool.close();
    attempt(stage);
  }),
  'close: c1 is leased, `tryAcquire` comes too late': withLease(async ({ pool }) => {
    void pool.close();
    await failureOf((async () => pool.tryAcquire())());
  }),
  'close: it is over, an acquire comes too late': {
    before: async ({ pool }) => await pool.close(),
    run: async (stage) => attempt(stage),
  },
  'destroy: c1 is leased, c2 is being opened for a2 [acquireStarted a2, connectionCreated c2]': withLease(
    ({ pool }) => pool.destroy(),
    { max: 2 },
    true,
  ),
  'failure: the broker is not there': { run: async (stage) => (attempt(stage), await stage.fail()) },
  'failure: the broker refuses': { run: async (stage) => (attempt(stage), await stage.fail(REFUSAL)) },
  'failure: the refusal is remembered': {
    before: async (stage) => (attempt(stage), await stage.fail(REFUSAL)),
    run: async (stage) => attempt(stage),
  },
  'failure: no connection in time': {
    run: async (stage) => {
      attempt(stage, { timeoutMs: 100 });
      await stage.pass(100);
      await stage.connect();
    },
  },
  'failure: aborted while a connect is under way': {
    run: async (stage) => {
      const abort = new AbortController();
      attempt(stage, { signal: abort.signal });
      abort.abort();
      await stage.connect();
    },
  },
  'failure: aborted before it began': {
    run: async (stage) => attempt(stage, { signal: AbortSignal.abort() }),
  },
  'retry: the broker asks to come back later': {
    run: async (stage) => {
      attempt(stage);
      await stage.fail(COME_BACK_LATER);
      await stage.pass(1_000);
      await stage.connect();
    },
  },
  'retry: the caller has left when the pause is over': {
    run: async (stage) => {
      const abort = new AbortController();
      attempt(stage, { signal: abort.signal });
      await stage.fail(COME_BACK_LATER);
      abort.abort();
      await stage.pass(1_000);
    },
  },
  'failure: one more than may wait [acquireStarted a2]': withLease(
    (stage) => attempt(stage),
    { maxWaiting: 1 },
    true,
  ),
  'eviction: another target needs the place of idle c1': withIdle(
    (stage) => {
      attempt(stage, other);
      return stage.connect();
    },
    { maxTotal: 1 },
  ),
  'eviction: another target takes the place of c1, whose connect no caller waits for [connectionCreated c1]':
    {
      options: { maxTotal: 1 },
      before: async (stage) => {
        const abort = new AbortController();
        attempt(stage, { signal: abort.signal });
        abort.abort();
        await settled();
      },
      run: async (stage) => {
        attempt(stage, other);
        await stage.connect();
        await stage.connect();
      },
    },
  'eviction: another target waits for a place when c1 comes back [acquireStarted a2]': {
    options: { maxTotal: 1 },
    before: async (stage) => {
      const { lease } = await leased(stage);
      attempt(stage, other);
      comeBack = async () => lease.release();
    },
    run: async ({ connect }) => {
      await comeBack();
      await connect();
    },
  },
  'validation: c1 is good': withIdle(({ pool }) => pool.acquire(), {
    validate: () => true,
    validateAfterIdleMs: 0,
  }),
  'validation: c1 is not good': withIdle(
    async (stage) => {
      attempt(stage);
      await settled();
      await stage.connect();
    },
    { validate: () => false, validateAfterIdleMs: 0 },
  ),
  'leak: c1 is out for `leakThresholdMs`, and comes back after all': withLease(
    async ({ pass }, lease) => {
      await pass(100);
      lease.release();
    },
    { leakThresholdMs: 100 },
  ),
  'leak: the handle is lost': {
    options: { leakThresholdMs: 100 },
    before: async ({ pool, connect }) => {
      void pool.acquire();
      await connect();
    },
    run: collectGarbage,
  },
};

const table = documented();

test('the table of docs/events.md and these tests have the same rows', (t) => {
  t.deepEqual([...table.keys()].toSorted(), Object.keys(rows).toSorted());
});

for (const [what, row] of Object.entries(rows)) {
  // Channels belong to the process: one pool at a time.
  test.serial(`events, ${what}`, async (t) => {
    const stage = setUp(t, row.options);
    if (row.before !== undefined) {
      await row.before(stage);
      stage.log.clear();
    }
    await row.run(stage);
    await settled();
    const expected = (table.get(what) ?? 'is missing').split(' → ').filter((line) => line !== '');
    t.deepEqual(stage.log.heard, expected);
    t.deepEqual(stage.log.published, expected, 'on the diagnostics channels');
  });
}

function setUp(t: ExecutionContext, options: BrokerPoolOptions = {}): Stage {
  const fake = fakePool(t, options);
  const log = new EventLog(fake.pool);
  t.teardown(() => log.stop());
  return { ...fake, log };
}
