import { CachedClock, SharedTimer } from '../../src/clock.js';
import { AcquireQueue } from '../../src/pool/acquire-queue.js';
import { ConnectionOpener } from '../../src/pool/connecting/connection-opener.js';
import { ConnectionCloser } from '../../src/pool/connection-closer.js';
import { EntryList } from '../../src/pool/containers.js';
import type { BrokerPoolOptions } from '../../src/pool/options.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { TargetLimits } from '../../src/pool/target-limits.js';
import { LeaseWatch } from '../../src/pool/watching/lease-watch.js';
import { poolEnvironment, TARGET } from '../helpers/pool-environment.js';
import { NotingOwner, pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

function setUp(options: BrokerPoolOptions = {}, spare = true) {
  const environment = poolEnvironment({
    idleTimeoutMs: Infinity,
    ...(options.keepaliveMs !== undefined && { validate: () => true }),
    ...options,
  });
  const { clock, emitter, settings } = environment;
  const did: string[] = [];
  const names = new Map<number, string>();
  const stage = { spare };
  const note = (id: number, what: string): void =>
    void did.push(`${names.get(id)} ${what} at ${clock.nowMs - 1_000}`);
  emitter.on('connectionClosed', ({ connectionId, reason }) => note(connectionId, reason));
  const timer = new SharedTimer(
    clock,
    (dueByMs) => {
      for (const { id } of closer.closeDue(dueByMs, stage.spare ? 0 : 1)) note(id, 'keepalive');
    },
    () => closer.nextMs,
  );
  const entries = new EntryList<PooledConnection>();
  const watch = new LeaseWatch(TARGET, environment, timer, () => {});
  const queue = new AcquireQueue(clock, new CachedClock(clock, () => {}), timer, watch);
  const pump = (): void => {};
  const limits = new TargetLimits(settings, undefined, entries, queue, () => false, pump);
  const opener = new ConnectionOpener(TARGET, environment, limits, entries, queue, new NotingOwner(), pump);
  const closer = new ConnectionCloser(environment, entries, opener, timer);
  /** An idle connection that the closer watches. */
  const add = (name: string, expiresAtMs = Infinity): PooledConnection => {
    const connection = pooledConnection({ bornMs: clock.nowMs, expiresAtMs });
    names.set(connection.id, name);
    entries.add(connection);
    closer.watch(connection, clock.nowMs, clock.nowMs);
    rest(connection);
    return connection;
  };
  const rest = (connection: PooledConnection): void => {
    entries.makeIdle(connection);
    connection.rest(clock.nowMs);
  };
  /** A caller has a connection, and gives it back. */
  const use = (connection: PooledConnection): void => {
    entries.reserve(connection);
    rest(connection);
  };
  return { clock, did, closer, entries, add, use, stage };
}

test('a connection closes when it has been idle for its time, not before', (t) => {
  const { clock, did, add } = setUp({ idleTimeoutMs: 500 });
  add('a');
  clock.advance(499);
  t.deepEqual(did, []);
  clock.advance(1);
  t.deepEqual(did, ['a idle at 500']);
  t.is(clock.pending, 0);
});

test('a connection that was used in between gets its time anew, and a leased one is left alone', (t) => {
  const { clock, did, entries, add, use } = setUp({ idleTimeoutMs: 500 });
  const used = add('used');
  add('leased');
  entries.leaseNewest();
  clock.advance(300);
  use(used);
  clock.advance(400);
  t.deepEqual(did, []);
  clock.advance(100);
  t.deepEqual(did, ['used idle at 800']);
  clock.advance(5_000);
  t.is(did.length, 1);
});

test('a connection that `min` keeps stays, and gets its time again', (t) => {
  const { clock, did, add, stage } = setUp({ idleTimeoutMs: 500 }, false);
  add('a');
  clock.advance(1_700);
  t.deepEqual(did, []);
  stage.spare = true;
  clock.advance(300);
  t.deepEqual(did, ['a idle at 2000']);
});

test('a connection that became idle in this very turn does not count as idle for ever', (t) => {
  const { clock, did, add } = setUp({ idleTimeoutMs: 500 });
  const connection = add('a');
  connection.since = undefined;
  clock.advance(900);
  t.deepEqual(did, []);
});

test('lifetime ends an idle connection at once, and a leased one when it comes back', (t) => {
  const { clock, did, entries, add } = setUp();
  add('idle', 1_300);
  const leased = add('leased', 1_300);
  entries.leaseNewest();
  const reserved = add('reserved', 1_300);
  entries.reserve(reserved);
  clock.advance(299);
  t.is(leased.closeOnRelease, undefined);
  clock.advance(1);
  t.deepEqual(did, ['idle lifetime at 300']);
  t.deepEqual([leased.closeOnRelease, reserved.closeOnRelease], ['lifetime', 'lifetime']);
  t.is(clock.pending, 0, 'nothing more is due');
});

test('lifetime counts even for a connection that `min` keeps', (t) => {
  const { clock, did, add } = setUp({}, false);
  add('a', 1_300);
  clock.advance(300);
  t.deepEqual(did, ['a lifetime at 300']);
});

test('a keepalive comes after so much silence, again and again, and makes nothing younger', (t) => {
  const { clock, did, add } = setUp({ keepaliveMs: 200, idleTimeoutMs: 700 });
  add('a');
  clock.advance(1_000);
  t.deepEqual(did, ['a keepalive at 200', 'a keepalive at 400', 'a keepalive at 600', 'a idle at 700']);
});

test('a lease puts off the keepalive', (t) => {
  const { clock, did, add, use } = setUp({ keepaliveMs: 200 });
  const connection = add('a');
  clock.advance(150);
  use(connection);
  clock.advance(199);
  t.deepEqual(did, []);
  clock.advance(1);
  t.deepEqual(did, ['a keepalive at 350']);
});

test('one timer serves all connections, set to the one that is due first', (t) => {
  const { clock, did, add } = setUp({ idleTimeoutMs: 5_000 });
  add('late', 3_000);
  add('early', 2_000);
  add('never');
  t.is(clock.pending, 1);
  clock.advance(2_000);
  t.deepEqual(did, ['early lifetime at 1000', 'late lifetime at 2000']);
  t.is(clock.pending, 1);
});

test('a closed connection is never due, and no timer runs where nothing can be due', (t) => {
  const { clock, did, closer, add } = setUp({ idleTimeoutMs: 500 });
  const closed = add('a');
  t.true(closer.close(closed, 'destroyed'));
  t.false(closer.close(closed, 'destroyed'));
  t.deepEqual([closer.nextMs, clock.pending], [Infinity, 0]);
  clock.advance(500);
  t.deepEqual([did, clock.pending], [['a destroyed at 0'], 0]);
  const endless = setUp({ maxLifetimeMs: Infinity });
  endless.add('a');
  t.is(endless.clock.pending, 0);
});

test('the connection that was used last stays for `min` when others are idle for too long', (t) => {
  const { clock, did, add, use, stage } = setUp({ idleTimeoutMs: 500 }, false);
  const used = add('used first');
  add('idle');
  use(used);
  clock.advance(500);
  t.deepEqual(did, ['idle idle at 500']);
  stage.spare = true;
  clock.advance(500);
  t.deepEqual(did, ['idle idle at 500', 'used first idle at 1000']);
});

test('a connection is looked at in time although another one has closed', (t) => {
  const { clock, did, closer, add } = setUp({ idleTimeoutMs: 500 });
  add('a');
  closer.close(add('b'), 'destroyed');
  clock.advance(500);
  t.deepEqual(did, ['b destroyed at 0', 'a idle at 500']);
});

test('a detached connection does not stand for one that `min` keeps', (t) => {
  const { clock, did, entries, add } = setUp({ idleTimeoutMs: 500 }, false);
  add('kept');
  add('detached');
  const detached = entries.leaseNewest();
  if (detached !== undefined) entries.detach(detached);
  clock.advance(1_000);
  t.deepEqual(did, []);
});

test('a connection that stays under a check is not looked at all the time', (t) => {
  const { clock, closer, entries, add } = setUp({ keepaliveMs: 200 });
  entries.reserve(add('a'));
  const closeDue = closer.closeDue.bind(closer);
  let looks = 0;
  closer.closeDue = (nowMs, minimum) => {
    looks += 1;
    return closeDue(nowMs, minimum);
  };
  clock.advance(1_000);
  t.true(looks <= 5, `${looks} looks in a second`);
});

test('three thousand connections that are due one after the other are not looked at in each millisecond', (t) => {
  const { clock, did, closer, add } = setUp();
  for (let count = 0; count < 3_000; count += 1) add('a', 2_000 + count / 10);
  const closeDue = closer.closeDue.bind(closer);
  let looks = 0;
  closer.closeDue = (nowMs, minimum) => {
    looks += 1;
    return closeDue(nowMs, minimum);
  };
  for (let step = 0; step < 2_700; step += 1) clock.advance(0.5);
  t.is(did.length, 3_000);
  t.true(looks <= 200, `${looks} looks in 300 ms`);
});
