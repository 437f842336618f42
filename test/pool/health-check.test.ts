import { setImmediate as turn } from 'node:timers/promises';
import type { BrokerPoolError } from '../../src/errors.js';
import { Bag } from '../../src/pool/bag.js';
import {
  HealthChecks,
  type ConnectionToValidate,
  type HealthCheckSettings,
} from '../../src/pool/health-check.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { Waiter } from '../../src/pool/waiter.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

function setUp(settings: Partial<HealthCheckSettings> = {}) {
  const clock = new FakeClock();
  const bag = new Bag<PooledConnection, Waiter>();
  const notes: string[] = [];
  const errors: BrokerPoolError[] = [];
  const health = new HealthChecks(
    bag,
    { validate: () => true, validateAfterIdleMs: 500, validateTimeoutMs: 1_000, ...settings },
    clock,
    {
      onHealthy: (_connection, wanted) => notes.push(wanted ? 'good for who waits' : 'good'),
      close: (connection, reason, error) => {
        notes.push(reason);
        if (error !== undefined) errors.push(error);
        bag.remove(connection);
        connection.socket.destroy();
      },
      pump: () => notes.push('look'),
    },
  );
  const idle = (): PooledConnection => {
    const connection = pooledConnection();
    bag.add(connection);
    connection.use(Infinity);
    bag.giveBack(connection);
    connection.rest(clock.nowMs);
    return connection;
  };
  return { clock, bag, notes, errors, health, idle, now: () => clock.now() };
}

test('a connection is due when it has been idle for a while, and never without a hook', (t) => {
  const { clock, health, idle, now } = setUp();
  const connection = idle();
  clock.advance(499);
  t.false(health.isDue(connection, now));
  clock.advance(1);
  t.true(health.isDue(connection, now));
  t.false(setUp({ validate: undefined }).health.isDue(connection, now));
});

test('one that became idle in this turn is not due, unless every one is', (t) => {
  const { health, idle, now } = setUp();
  const connection = idle();
  connection.idleSinceMs = -1;
  t.false(health.isDue(connection, now));
  t.true(setUp({ validateAfterIdleMs: 0 }).health.isDue(connection, now));
});

test('nobody can lease a connection while it is asked, and it is idle again afterwards', async (t) => {
  const asked: ConnectionToValidate[] = [];
  const { bag, notes, health, idle } = setUp({ validate: (connection) => asked.push(connection) > 0 });
  const connection = idle();
  const checking = health.check(connection, true);
  t.is(connection.state, 'reserved');
  t.is(bag.borrow(), undefined);
  t.is(health.expected, 1);
  const { socket } = connection;
  await checking;
  t.is(asked[0]?.socket, socket);
  t.like(asked[0], { endpoint: '/fake/backend', route: 'broker-negotiated' });
  t.is(connection.state, 'idle');
  t.is(health.expected, 0);
  t.deepEqual(notes, ['good for who waits']);
});

const mistake = new Error('mistake');
const endpoint = '/fake/backend';
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
    const { clock, notes, errors, health, idle } = setUp({ validate });
    await health.check(idle(), true);
    t.deepEqual(notes, ['invalid']);
    if (error === undefined) t.deepEqual(errors, []);
    else t.like(errors, [error]);
    t.is(clock.pending, 0);
  });
}

test('a hook that hangs makes it invalid when its time is over', async (t) => {
  const { clock, notes, errors, health, idle } = setUp({ validate: () => new Promise(() => {}) });
  const checking = health.check(idle(), false);
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
  const { clock, notes, health, idle } = setUp({ validate: () => new Promise(() => {}) });
  const checking = health.check(idle(), true);
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
  const { clock, notes, health, idle } = setUp({ validate: () => new Promise(() => {}) });
  void health.check(idle(), true);
  clock.advance(50);
  void health.check(idle(), true);
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
  const { clock, notes, health, idle } = setUp({
    validate: () => new Promise((resolve) => (answer = resolve)),
  });
  const checking = health.check(idle(), false);
  clock.advance(1_000);
  await checking;
  answer(true);
  await turn();
  t.deepEqual(notes, ['invalid']);
});

test('a hook that leaves bytes behind makes it dirty', async (t) => {
  const { notes, health, idle } = setUp({ validate: ({ socket }) => socket.push('half an answer') });
  await health.check(idle(), true);
  t.deepEqual(notes, ['dirty']);
});

test('what the hook leaves on the socket is taken off', async (t) => {
  const { notes, health, idle } = setUp({ validate: ({ socket }) => socket.on('data', () => {}) === socket });
  const connection = idle();
  await health.check(connection, true);
  t.deepEqual(notes, ['good for who waits']);
  t.deepEqual([connection.socket.listenerCount('data'), connection.needsReset], [0, false]);
});

test('a connection that is cleared while it is asked closes, whatever the hook says', async (t) => {
  const { notes, health, idle } = setUp();
  const connection = idle();
  const checking = health.check(connection, true);
  connection.closeOnRelease = 'stale';
  await checking;
  t.deepEqual(notes, ['stale']);
});

test('a connection that dies while it is asked is not waited for', async (t) => {
  const { clock, bag, notes, health, idle } = setUp({ validate: () => new Promise(() => {}) });
  const connection = idle();
  const checking = health.check(connection, true);
  bag.remove(connection);
  health.stop(connection);
  await checking;
  t.deepEqual(notes, ['look']);
  t.is(clock.pending, 0);
});

test('after a keepalive a spare connection is as spare and as old as before', async (t) => {
  const { clock, bag, notes, health, idle } = setUp();
  const spare = idle();
  const newest = idle();
  clock.advance(300);
  const checking = health.check(newest, false);
  t.is(health.expected, 0);
  await checking;
  t.deepEqual([...bag.idleEntries()], [newest, spare]);
  t.is(newest.idleSinceMs, 1_000);
  t.deepEqual(notes, ['good']);
});

test('a keepalive is good for whoever has come meanwhile', async (t) => {
  const { bag, notes, health, idle } = setUp();
  const connection = idle();
  const checking = health.check(connection, false);
  bag.enqueue(new Waiter({ ms: 0 }, 1, undefined));
  await checking;
  t.deepEqual(notes, ['good for who waits']);
  t.is(bag.newestIdle, connection);
});

test('no check keeps the process alive: the timer of the callers who wait does', async (t) => {
  for (const wanted of [true, false]) {
    const { clock, health, idle } = setUp();
    const kept: (boolean | undefined)[] = [];
    const deadline = clock.deadline.bind(clock);
    clock.deadline = (delayMs: number, callback: (dueByMs: number) => void, keepAlive?: boolean) => {
      kept.push(keepAlive);
      return deadline(delayMs, callback);
    };
    await health.check(idle(), wanted);
    t.false(kept.includes(true));
  }
});
