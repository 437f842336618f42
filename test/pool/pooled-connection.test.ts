import { leaseOf } from '../../src/pool/lease.js';
import type { SharedWith } from '../../src/pool/shared-with.js';
import { NotingOwner, pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

test('a connection that is marked to close marks no other connection of its pool and endpoint', (t) => {
  const owner = new NotingOwner();
  const marked = pooledConnection({ owner });
  const older = pooledConnection({ owner });
  marked.closeOnRelease = 'evicted';
  const younger = pooledConnection({ owner });
  t.deepEqual(
    [marked, older, younger].map(({ closeOnRelease }) => closeOnRelease),
    ['evicted', undefined, undefined],
  );
  t.deepEqual([marked.recycle(), older.recycle(), younger.recycle()], ['evicted', undefined, undefined]);
});

test('a connection of which another thread has a duplicate lets its neighbours be', (t) => {
  const owner = new NotingOwner();
  const other = pooledConnection({ owner });
  const shared = pooledConnection({ owner });
  const sharedWith: SharedWith = {
    isLeasedElsewhere: true,
    everReceived: true,
    recall: () => 'claimed',
    forbidClaims: () => {},
    onClosing: () => {},
    retire: () => {},
  };
  shared.sharedWith = sharedWith;
  shared.closeWhenBack('lifetime');
  t.deepEqual([shared.sharedWith, shared.closeOnRelease], [sharedWith, 'lifetime']);
  t.deepEqual([shared.mustNotRead, other.mustNotRead], [true, false]);
  t.deepEqual([shared.everReceived, other.everReceived], [true, false]);
});

test('a connection tells its times in whole milliseconds, also on a system that has run for years', (t) => {
  const bornMs = 100 * 365 * 86_400_000;
  const connection = pooledConnection({ bornMs, expiresAtMs: bornMs + 1 });
  t.deepEqual([connection.bornMs, connection.expiresAtMs], [bornMs, bornMs + 1]);
  t.is(connection.idleFromMs(bornMs + 2), bornMs + 2);
  connection.rest(bornMs + 3.5);
  t.is(connection.idleFromMs(bornMs + 4), bornMs + 3);
  t.is(pooledConnection({ bornMs, expiresAtMs: Infinity }).expiresAtMs, Infinity);
});

test('connections of one endpoint in two pools go back each to its own pool', (t) => {
  const owners = [new NotingOwner(), new NotingOwner()];
  const connections = [0, 1, 0].map((pool) => pooledConnection({ owner: owners[pool] ?? new NotingOwner() }));
  for (const connection of connections) leaseOf(connection).release();
  const [first, second, third] = connections.map(({ id }) => `released ${id}`);
  t.deepEqual(
    owners.map(({ notes }) => notes),
    [[first, third], [second]],
  );
});
