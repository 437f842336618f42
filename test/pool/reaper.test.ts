import { SharedTimer } from '../../src/deadline-queue.js';
import type { PooledConnection } from '../../src/pool/pooled-connection.js';
import { Reaper, type ReaperSettings } from '../../src/pool/reaper.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

function setUp(settings: Partial<ReaperSettings> = {}, spare = true) {
  const clock = new FakeClock();
  const did: string[] = [];
  const names = new Map<PooledConnection, string>();
  const stage = { spare };
  const note = (connection: PooledConnection, what: string): void =>
    void did.push(`${names.get(connection)} ${what} at ${clock.nowMs - 1_000}`);
  const timer = new SharedTimer(clock, (dueByMs) => {
    for (;;) {
      const due = reaper.takeDue(dueByMs, stage.spare);
      if (due === undefined) break;
      note(due.connection, due.what);
      if (due.what !== 'keepalive') due.connection.state = 'removed';
    }
    timer.set(reaper.nextMs);
  });
  const reaper = new Reaper({ idleTimeoutMs: Infinity, keepaliveMs: Infinity, ...settings }, timer);
  /** An idle connection that the reaper watches. */
  const add = (name: string, expiresAtMs = Infinity): PooledConnection => {
    const connection = pooledConnection({ bornMs: clock.nowMs, expiresAtMs });
    names.set(connection, name);
    connection.state = 'leased';
    reaper.add(connection, clock.nowMs);
    rest(connection);
    return connection;
  };
  const rest = (connection: PooledConnection): void => {
    connection.state = 'idle';
    connection.rest(clock.nowMs);
  };
  return { clock, did, reaper, add, rest, stage };
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
  const { clock, did, add, rest } = setUp({ idleTimeoutMs: 500 });
  const used = add('used');
  const leased = add('leased');
  leased.state = 'leased';
  clock.advance(300);
  rest(used);
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
  connection.idleSinceMs = -1;
  clock.advance(900);
  t.deepEqual(did, []);
});

test('lifetime ends an idle connection at once, and a leased one when it comes back', (t) => {
  const { clock, did, add } = setUp();
  add('idle', 1_300);
  const leased = add('leased', 1_300);
  leased.state = 'leased';
  const reserved = add('reserved', 1_300);
  reserved.state = 'reserved';
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
  const { clock, did, add, rest } = setUp({ keepaliveMs: 200 });
  const connection = add('a');
  clock.advance(150);
  rest(connection);
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

test('a removed connection is never due, and no timer runs where nothing can be due', (t) => {
  const { clock, did, reaper, add } = setUp({ idleTimeoutMs: 500 });
  reaper.remove(add('a'));
  t.is(reaper.nextMs, Infinity);
  clock.advance(500);
  t.deepEqual([did, clock.pending], [[], 0]);
  const endless = setUp();
  endless.add('a');
  t.is(endless.clock.pending, 0);
});
