import { setImmediate as turn } from 'node:timers/promises';
import type { BrokerPoolError } from '../../src/errors.js';
import { PooledSocket } from '../../src/os/pooled-socket.js';
import { EntryList } from '../../src/pool/containers.js';
import {
  HealthChecks,
  type ConnectionToValidate,
  type HealthCheckSettings,
} from '../../src/pool/health-check.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { FAKE_BACKEND } from '../helpers/endpoints.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { fakePool } from '../helpers/fake-pool.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

function setUp(settings: Partial<HealthCheckSettings> = {}) {
  const clock = new FakeClock();
  const entries = new EntryList<PooledConnection>();
  const notes: string[] = [];
  const errors: BrokerPoolError[] = [];
  const { validate = () => true } = settings;
  const health = new HealthChecks(
    entries,
    validate,
    { validate, validateAfterIdleMs: 500, validateTimeoutMs: 1_000, ...settings },
    clock,
    () => notes.push('look'),
  );
  /** Checks a connection and does what the pool does with the result. */
  const check = async (connection: PooledConnection, isWanted: boolean): Promise<void> => {
    const { reason, error } = await health.check(connection, isWanted);
    health.end(connection);
    if (connection.state !== 'reserved') return;
    notes.push(reason ?? 'good');
    if (error !== undefined) errors.push(error);
    if (reason === undefined) return entries.makeIdle(connection);
    entries.remove(connection);
    connection.socket.destroy();
  };
  const idle = (): PooledConnection => {
    const connection = pooledConnection();
    entries.add(connection);
    connection.use(Infinity, { ms: clock.nowMs });
    entries.makeIdle(connection);
    connection.rest(clock.nowMs);
    return connection;
  };
  return { clock, entries, notes, errors, health, check, idle };
}

test('a connection is due when it has been idle for `validateAfterIdleMs`', (t) => {
  const { clock, health, idle } = setUp();
  const connection = idle();
  clock.advance(499);
  t.false(health.isDue(connection, clock.now()));
  clock.advance(1);
  t.true(health.isDue(connection, clock.now()));
});

test('a connection that became idle in this turn is due only with validateAfterIdleMs 0', (t) => {
  const { clock, health, idle } = setUp();
  const connection = idle();
  connection.since = undefined;
  t.false(health.isDue(connection, clock.now()));
  t.true(setUp({ validateAfterIdleMs: 0 }).health.isDue(connection, clock.now()));
});

test('no caller can lease a connection under check, and it is idle again afterwards', async (t) => {
  const asked: ConnectionToValidate[] = [];
  const { entries, notes, health, check, idle } = setUp({
    validate: (connection) => asked.push(connection) > 0,
  });
  const connection = idle();
  const checking = check(connection, true);
  t.is(connection.state, 'reserved');
  t.is(entries.leaseNewest(), undefined);
  t.is(health.expected, 1);
  const { socket } = connection;
  await checking;
  t.is(asked[0]?.socket, socket);
  t.like(asked[0], { endpoint: FAKE_BACKEND, route: 'broker-negotiated' });
  t.is(connection.state, 'idle');
  t.is(health.expected, 0);
  t.deepEqual(notes, ['good']);
});

const mistake = new Error('mistake');
const endpoint = FAKE_BACKEND;
const thrown = { code: 'VALIDATION_FAILED', message: 'validate failed: mistake', cause: mistake, endpoint };

interface Refusal {
  readonly validate: NonNullable<HealthCheckSettings['validate']>;
  readonly error?: object;
}

const refusals: Readonly<Record<string, Refusal>> = {
  'says no': { validate: () => false },
  'says no later': { validate: async () => false },
  throws: {
    validate: () => {
      throw mistake;
    },
    error: thrown,
  },
  rejects: { validate: () => Promise.reject(mistake), error: thrown },
  'rejects with no error': {
    validate: () => Promise.reject(JSON.parse('"gone"')),
    error: { code: 'VALIDATION_FAILED', message: 'validate failed: "gone"', cause: 'gone' },
  },
  'answers something that is not true': {
    validate: () => JSON.parse('"yes"'),
    error: { code: 'VALIDATION_FAILED', message: 'validate must answer true or false, got "yes"', endpoint },
  },
};

for (const [what, { validate, error }] of Object.entries(refusals)) {
  test(`a hook that ${what} makes the connection invalid`, async (t) => {
    const { clock, notes, errors, check, idle } = setUp({ validate });
    await check(idle(), true);
    t.deepEqual(notes, ['invalid']);
    if (error === undefined) t.deepEqual(errors, []);
    else t.like(errors, [error]);
    t.is(clock.pending, 0);
  });
}

test('a hook that hangs makes the connection invalid after validateTimeoutMs', async (t) => {
  const { clock, notes, errors, check, idle } = setUp({ validate: () => new Promise(() => {}) });
  const checking = check(idle(), false);
  clock.advance(999);
  await turn();
  t.deepEqual(notes, []);
  clock.advance(1);
  await checking;
  t.deepEqual(notes, ['invalid']);
  t.like(errors, [
    { code: 'TIMEOUT', phase: 'validate', message: 'validate did not answer within 1000 ms', endpoint },
  ]);
});

test('a check counts as a connection on its way for a tenth of a second, then another is looked for', async (t) => {
  const { clock, notes, health, check, idle } = setUp({ validate: () => new Promise(() => {}) });
  const checking = check(idle(), true);
  clock.advance(99);
  t.deepEqual([health.expected, notes], [1, []]);
  clock.advance(1);
  t.deepEqual([health.expected, notes], [0, ['look']]);
  clock.advance(900);
  await checking;
  t.deepEqual(notes, ['look', 'invalid']);
  t.is(clock.pending, 0);
});

test('no more checks count than callers wait, and the oldest cease to count first', async (t) => {
  const { clock, notes, health, check, idle } = setUp({ validate: () => new Promise(() => {}) });
  void check(idle(), true);
  clock.advance(50);
  void check(idle(), true);
  health.expectAtMost(3);
  t.is(health.expected, 2);
  health.expectAtMost(1);
  t.is(health.expected, 1);
  clock.advance(50);
  t.deepEqual([health.expected, notes], [1, []], 'the first is no reason to look again');
  clock.advance(50);
  t.deepEqual([health.expected, notes], [0, ['look']]);
});

test('a hook that answers too late changes nothing', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const { clock, notes, check, idle } = setUp({
    validate: () => new Promise((resolve) => (answer = resolve)),
  });
  const checking = check(idle(), false);
  clock.advance(1_000);
  await checking;
  answer(true);
  await turn();
  t.deepEqual(notes, ['invalid']);
});

test('a hook that leaves bytes behind makes the connection dirty', async (t) => {
  const { notes, check, idle } = setUp({ validate: ({ socket }) => socket.push('half an answer') });
  await check(idle(), true);
  t.deepEqual(notes, ['dirty']);
});

test('a listener that the hook leaves on the socket is removed', async (t) => {
  const { notes, check, idle } = setUp({ validate: ({ socket }) => socket.on('data', () => {}) === socket });
  const connection = idle();
  await check(connection, true);
  t.deepEqual(notes, ['good']);
  const { socket } = connection;
  t.deepEqual([socket.listenerCount('data'), PooledSocket.needsReset(socket)], [0, false]);
});

test('a connection that is cleared during its check closes, even if the hook says yes', async (t) => {
  const { notes, check, idle } = setUp();
  const connection = idle();
  const checking = check(connection, true);
  connection.closeOnRelease = 'stale';
  await checking;
  t.deepEqual(notes, ['stale']);
});

test('the check of a connection that dies ends at once, and leaves no timer', async (t) => {
  const { clock, entries, notes, health, check, idle } = setUp({ validate: () => new Promise(() => {}) });
  const connection = idle();
  const checking = check(connection, true);
  entries.remove(connection);
  health.stop(connection);
  await checking;
  t.deepEqual(notes, []);
  t.is(clock.pending, 0);
});

test('a check does not make an idle connection younger', async (t) => {
  const { clock, health, check, idle } = setUp();
  const connection = idle();
  clock.advance(300);
  const checking = check(connection, false);
  t.is(health.expected, 0);
  await checking;
  t.is(connection.idleFromMs(1_300), 1_000);
});

test('after a keepalive a spare connection is as spare as before', async (t) => {
  const validate = async (): Promise<boolean> => true;
  const options = { max: 2, validate, validateAfterIdleMs: 60_000, keepaliveMs: 1_000 };
  const { pool, connect, pass } = fakePool(t, options);
  const acquires = [pool.acquire(), pool.acquire()] as const;
  await connect();
  await connect();
  const [older, newer] = await Promise.all(acquires);
  const { connectionId } = older;
  older.release();
  await pass(10);
  newer.release();
  await pass(1_500);
  const lease = await pool.acquire();
  t.is(lease.connectionId, connectionId, 'the newer connection was checked last, and is leased last');
  lease.release();
});

test('a keepalive is good for a caller that has come meanwhile', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const validate = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
  const options = { max: 1, validate, validateAfterIdleMs: 60_000, keepaliveMs: 1_000 };
  const { pool, connect, pass, driver } = fakePool(t, options);
  const first = pool.acquire();
  await connect();
  const { connectionId } = await first;
  (await first).release();
  await pass(1_000);
  const second = pool.acquire();
  answer(true);
  t.is((await second).connectionId, connectionId);
  t.is(driver.pending.size, 0);
  (await second).release();
});

test('no timer of a check keeps the process alive', async (t) => {
  for (const wanted of [true, false]) {
    const { clock, check, idle } = setUp();
    const kept: (boolean | undefined)[] = [];
    const deadline = clock.deadline.bind(clock);
    clock.deadline = (delayMs: number, callback: (dueByMs: number) => void, keepAlive?: boolean) => {
      kept.push(keepAlive);
      return deadline(delayMs, callback);
    };
    await check(idle(), wanted);
    t.false(kept.includes(true));
  }
});
