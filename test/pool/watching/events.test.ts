import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import type { Lease } from '../../../src/index.js';
import { createEventSources, EventSource } from '../../../src/pool/watching/event-sources.js';
import { POOL_EVENT_NAMES, type ReleasedEvent } from '../../../src/pool/watching/events.js';
import { FAKE_BROKER } from '../../helpers/endpoints.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import test from '../../helpers/sanitary.js';

const TARGET = { brokerEndpoint: FAKE_BROKER, serviceName: 'demo', wantedVersion: '1.0.0' };

test.serial('an event is wanted as long as it has listeners, however they were added and removed', (t) => {
  const emitter = new EventEmitter();
  const { cleared } = createEventSources('test', emitter, false);
  const listener = (): void => {};
  t.false(cleared.wanted);
  emitter.on('cleared', listener);
  t.true(cleared.wanted);
  emitter.off('cleared', listener);
  t.false(cleared.wanted);
  emitter.once('cleared', listener);
  t.true(cleared.wanted);
  cleared.publish({ pool: 'test', target: TARGET });
  t.false(cleared.wanted, 'once');
  emitter.on('released', listener);
  t.false(cleared.wanted, 'another event');
  subscribe('broker-pool:cleared', listener);
  t.true(cleared.wanted, 'a subscriber of the channel');
  unsubscribe('broker-pool:cleared', listener);
  t.false(cleared.wanted);
});

test("watching for listeners does not use up the emitter's limit of listeners", (t) => {
  const emitter = new EventEmitter();
  createEventSources('test', emitter, false);
  t.is(emitter.getMaxListeners(), EventEmitter.defaultMaxListeners);
});

test('after removeAllListeners a new listener is heard again', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  const heard: string[] = [];
  pool.on('cleared', () => heard.push('removed'));
  pool.removeAllListeners();
  pool.on('cleared', () => heard.push('kept'));
  pool.on('closed', () => heard.push('removed too'));
  pool.removeAllListeners('closed');
  pool.clear({});
  await pool.close();
  t.deepEqual(heard, ['kept']);
});

test.serial('without listeners and subscribers a whole life publishes nothing', async (t) => {
  const published: string[] = [];
  const publish = Object.getOwnPropertyDescriptor(EventSource.prototype, 'publish');
  if (publish === undefined) throw new Error('EventSource has no publish');
  Object.defineProperty(EventSource.prototype, 'publish', {
    ...publish,
    value: (event: unknown) => published.push(JSON.stringify(event)),
  });
  t.teardown(() => Object.defineProperty(EventSource.prototype, 'publish', publish));
  const { pool, connect, fail } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const aborted = t.throwsAsync(pool.acquire({ signal: AbortSignal.abort() }), { code: 'ABORTED' });
  lease.release();
  pool.tryAcquire()?.destroy();
  pool.clear();
  const failing = t.throwsAsync(pool.acquire(), { code: 'BROKER_CONNECT' });
  await fail();
  await Promise.all([aborted, failing]);
  await pool.close();
  t.deepEqual(published, []);
  for (const name of POOL_EVENT_NAMES) t.false(channel(`broker-pool:${name}`).hasSubscribers, name);
});

test.serial('a listener that throws makes an uncaught exception, and the pool goes on', async (t) => {
  const uncaught: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  const { pool, connect } = fakePool(t);
  const mistake = new Error("a listener's mistake");
  const fail = (): never => {
    throw mistake;
  };
  for (const name of POOL_EVENT_NAMES) pool.on(name, fail);
  subscribe('broker-pool:acquired', fail);
  t.teardown(() => unsubscribe('broker-pool:acquired', fail));
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  lease.release();
  t.like(pool.stats(), { total: 1, idle: 1, leased: 0 });
  await pool.close();
  await settled();
  // Five on the way to the lease and back (acquired twice: its channel's subscriber threw as well), two for
  // the end.
  t.is(uncaught.length, 8);
  t.deepEqual(new Set(uncaught), new Set([mistake]));
});

test('a listener may acquire and release in the middle of an event', async (t) => {
  const { pool, connect, driver } = fakePool(t, { max: 2 });
  const leases: Lease[] = [];
  const got: Promise<unknown>[] = [];
  let more = 6;
  const acquireAnother = (): void => {
    if (more-- > 0) got.push(pool.acquire().then((lease) => leases.push(lease)));
  };
  for (const name of [
    'connectionCreated',
    'connectionReady',
    'acquireStarted',
    'acquired',
    'released',
  ] as const)
    pool.on(name, acquireAnother);
  acquireAnother();
  while (driver.pending.size > 0 || leases.length > 0) {
    if (driver.pending.size > 0) await connect();
    leases.pop()?.release();
    await settled();
  }
  t.is(more < 0 ? 6 : 6 - more, got.length);
  await Promise.all(got);
  t.like(pool.stats(), { leased: 0, waiting: 0, total: 2, idle: 2 });
});

test('a listener that hears of a release may take that very connection', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const next: Promise<Lease>[] = [];
  pool.once('released', () => next.push(pool.acquire()));
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const { connectionId } = lease;
  lease.release();
  const [got] = await Promise.all(next);
  t.is(got?.connectionId, connectionId);
  got?.release();
});

for (const name of [
  'acquireStarted',
  'connectionCreated',
  'connectionReady',
  'acquired',
  'released',
  'connectionClosed',
] as const) {
  test(`a listener of ${name} may destroy the pool, and everything settles`, async (t) => {
    const { pool, connect, driver, clock } = fakePool(t);
    const ended = new Promise<void>((resolve) => pool.once('closed', () => resolve()));
    pool.once(name, () => void pool.destroy());
    const outcome = pool.acquire().then(
      (lease) => lease.destroy(),
      (error: unknown) => t.like(error, { code: 'POOL_CLOSED' }),
    );
    if (driver.pending.size > 0) await connect();
    await outcome;
    await ended;
    t.like(pool.stats(), { total: 0, leased: 0, connecting: 0, waiting: 0 });
    t.is(clock.pending, 0);
  });
}

for (const end of ['release', 'detach'] as const) {
  test(`${end} throws nothing where a listener of released destroys the pool`, async (t) => {
    const { pool, connect } = fakePool(t);
    const ended = new Promise<void>((resolve) => pool.once('closed', () => resolve()));
    pool.once('released', () => void pool.destroy());
    const acquiring = pool.acquire();
    await connect();
    const lease = await acquiring;
    t.notThrows(() => lease[end]());
    await ended;
    t.like(pool.stats(), { total: 0, leased: 0, detached: 0 });
  });
}

test('a lease that began without a listener emits no released event, and uses up no acquireId', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const released: ReleasedEvent[] = [];
  const listener = (event: ReleasedEvent): void => void released.push(event);
  pool.on('released', listener);
  const acquiring = pool.acquire();
  await connect();
  const first = await acquiring;
  pool.off('released', listener);
  const waiting = pool.acquire();
  first.release();
  (await waiting).release();
  const second = pool.tryAcquire();
  pool.on('released', listener);
  second?.release();
  pool.tryAcquire()?.release();
  t.deepEqual(
    released.map(({ acquireId, connectionId, heldMs }) => [acquireId, connectionId, heldMs]),
    [[2, 1, 0]],
  );
});

test('a lease that began without a listener of acquired emits no released event to later listeners', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  pool.on('acquireStarted', () => {});
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  let released = 0;
  pool.on('released', () => (released += 1));
  lease.release();
  t.is(released, 0);
  pool.tryAcquire()?.release();
  t.is(released, 1);
});

test('an acquire of an idle connection that a listener ends with the pool fails, is told and is counted', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await settled();
  const failures: string[] = [];
  pool.on('acquireFailed', ({ reason }) => failures.push(reason));
  pool.once('acquireStarted', () => void pool.destroy());
  await t.throwsAsync(pool.acquire(), { code: 'POOL_CLOSED' });
  t.deepEqual(failures, ['POOL_CLOSED']);
  t.deepEqual(pool.stats().failuresByCode, { POOL_CLOSED: 1 });
});

test('a pool with a listener for acquireStarted alone serves a caller that waits', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const started: number[] = [];
  pool.on('acquireStarted', ({ acquireId }) => started.push(acquireId));
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  t.is(lease.connectionId, 1);
  lease.release();
  t.deepEqual(started, [1]);
});

test('durations are those of the clock', async (t) => {
  const { pool, connect, pass } = fakePool(t);
  const durations: Record<string, number> = {};
  pool.on('connectionReady', ({ connectMs }) => (durations['connectMs'] = connectMs));
  pool.on('acquired', ({ waitMs }) => (durations['waitMs'] = waitMs));
  pool.on('released', ({ heldMs }) => (durations['heldMs'] = heldMs));
  pool.on('connectionClosed', ({ ageMs, uses }) => Object.assign(durations, { ageMs, uses }));
  pool.on('closed', ({ durationMs }) => (durations['durationMs'] = durationMs));
  const acquiring = pool.acquire();
  await pass(30);
  await connect();
  const lease = await acquiring;
  await pass(50);
  const closing = pool.close();
  await pass(20);
  lease.release();
  await closing;
  t.deepEqual(durations, { connectMs: 30, waitMs: 30, heldMs: 70, ageMs: 70, uses: 1, durationMs: 20 });
});
