import { setImmediate as turn } from 'node:timers/promises';
import { connectSharedPool, type BrokerPool, type Lease, type SharedPool } from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { echo, startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, failureOf, openPool, startSharer } from './kit.js';

/**
 * Both ends of a port are in one thread here: none reads a message before the test lets the event loop turn,
 * so a lease that is there before is a claim.
 */
const sharingTest = testWhere(canShare, SHARING, test.serial);

/** The lease that an acquire brings before any message is read; `undefined` if it asks the pool. */
async function claim(source: Pick<SharedPool, 'acquire'>, options = {}): Promise<Lease | undefined> {
  let lease: Lease | undefined;
  const acquiring = source.acquire(options).then((acquired) => (lease = acquired));
  for (let tick = 0; tick < 5; tick++) await Promise.resolve();
  // An acquire that asked gives its lease back, where the pool has one.
  if (lease === undefined)
    acquiring.then(
      (acquired) => acquired.release(),
      () => {},
    );
  return lease;
}

async function mustClaim(source: Pick<SharedPool, 'acquire'>): Promise<Lease> {
  const lease = await claim(source);
  if (lease === undefined) throw new Error('the acquire asked the pool');
  return lease;
}

/**
 * Leases a connection and gives it back. Resolves in the turn in which the pool reads the release: 10 ms later the
 * pool takes back what has not been claimed.
 */
async function leaseOnce(pool: BrokerPool, shared: SharedPool): Promise<void> {
  const isRead = new Promise<void>((resolve) => pool.once('released', () => resolve()));
  (await shared.acquire()).release();
  await isRead;
}

function noteEvents(pool: BrokerPool): string[] {
  const notes: string[] = [];
  pool.on('acquired', ({ connectionId, acquireId }) =>
    notes.push(`acquired ${connectionId} by ${acquireId}`),
  );
  pool.on('released', ({ connectionId, acquireId }) =>
    notes.push(`released ${connectionId} by ${acquireId}`),
  );
  pool.on('connectionClosed', ({ connectionId, reason }) => notes.push(`closed ${connectionId} ${reason}`));
  return notes;
}

/** The pool has read what the threads have sent. */
async function settled(pool: BrokerPool, leased: number): Promise<boolean> {
  for (let time = 0; time < 3; time++) await turn();
  return await until(() => pool.stats().leased === leased);
}

sharingTest(
  'a thread leases the connection that it has just given back before the pool answers',
  async (t) => {
    const pool = openPool(t, await startSystem(t));
    await using shared = await connectSharedPool(pool.share());
    const first = await shared.acquire();
    const { connectionId } = first;
    t.is(await echo(first.socket, 'first'), 'first');
    first.release();
    const second = await mustClaim(shared);
    t.is(second.connectionId, connectionId);
    t.is(await echo(second.socket, 'second'), 'second');
    t.like(pool.stats(), { leased: 1, idle: 0, created: 1 });
    second.release();
    t.true(await settled(pool, 0));
    t.like(pool.stats(), { leased: 0, idle: 1, created: 1 });
  },
);

sharingTest('a pool counts and publishes claimed leases as any others, in their order', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const notes = noteEvents(pool);
  await using shared = await connectSharedPool(pool.share());
  (await shared.acquire()).release();
  for (let time = 0; time < 3; time++) (await mustClaim(shared)).release();
  t.true(await until(() => notes.length === 8));
  t.deepEqual(
    notes,
    [1, 2, 3, 4].flatMap((acquireId) => [`acquired 1 by ${acquireId}`, `released 1 by ${acquireId}`]),
  );
  t.true(await settled(pool, 0));
  const { targets } = pool.stats();
  t.is(
    Object.values(targets[0]?.acquiredByRoute ?? {}).reduce((sum, count) => sum + count, 0),
    4,
  );
});

sharingTest('no claim takes a connection beyond maxUses', async (t) => {
  const pool = openPool(t, await startSystem(t), { maxUses: 3 });
  const uses: number[] = [];
  pool.on('connectionClosed', (closed) => uses.push(closed.uses));
  await using shared = await connectSharedPool(pool.share());
  for (let time = 0; time < 12; time++) (await shared.acquire()).release();
  t.true(await until(() => pool.stats().leased === 0 && pool.stats().total === 0));
  t.deepEqual(uses, [3, 3, 3, 3]);
  t.is(pool.stats().targets[0]?.closedByReason.uses, 4);
});

sharingTest('a thread asks the pool after sixteen claims that the pool has not read', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  (await shared.acquire()).release();
  let claims = 0;
  for (let lease = await claim(shared); lease !== undefined; lease = await claim(shared)) {
    claims += 1;
    lease.release();
  }
  t.is(claims, 16);
  t.true(await settled(pool, 0));
});

sharingTest('a thread claims while the answer to another of its acquires is on the way', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 2, min: 2 });
  await pool.warm();
  await using shared = await connectSharedPool(pool.share());
  const first = await shared.acquire();
  const answered = new Promise<void>((resolve) => pool.once('acquired', () => resolve()));
  let hasArrived = false;
  const second = shared.acquire().then((lease) => {
    hasArrived = true;
    return lease;
  });
  await answered;
  const { connectionId } = first;
  first.release();
  const claimed = await mustClaim(shared);
  t.is(claimed.connectionId, connectionId);
  t.false(hasArrived);
  t.not((await second).connectionId, connectionId);
  t.is(await echo(claimed.socket, 'claimed'), 'claimed');
  claimed.release();
  (await second).release();
  t.true(await settled(pool, 0));
});

sharingTest('a thread does not claim while another of its acquires has no answer', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await using shared = await connectSharedPool(pool.share());
  const first = await shared.acquire();
  const second = shared.acquire();
  first.release();
  t.is(await claim(shared), undefined);
  (await second).release();
  t.true(await settled(pool, 0));
});

sharingTest('an acquire that its caller aborts keeps no later one from a claim', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await using shared = await connectSharedPool(pool.share());
  const first = await shared.acquire();
  const aborter = new AbortController();
  const aborted = failureOf(shared.acquire({ signal: aborter.signal }));
  t.true(await until(() => pool.stats().waiting === 1));
  aborter.abort();
  t.is((await aborted).code, 'ABORTED');
  t.true(await until(() => pool.stats().waiting === 0));
  first.release();
  (await mustClaim(shared)).release();
  t.true(await settled(pool, 0));
});

sharingTest('a thread claims only connections to the target that its caller names', async (t) => {
  const system = await startSystem(t);
  system.broker.services.set('other', { endpoint: system.backend.endpoint, version: '2.0.0' });
  const pool = openPool(t, system);
  await using shared = await connectSharedPool(pool.share());
  const named = { serviceName: 'other', wantedVersion: '2.0.0' };
  const own = await shared.acquire();
  const other = await shared.acquire(named);
  const { connectionId } = own;
  own.release();
  other.release();
  const claimed = await mustClaim(shared);
  t.is(claimed.connectionId, connectionId);
  t.is(await claim(shared), undefined, 'the other connection leads elsewhere');
  claimed.release();
  t.true(await settled(pool, 0));
});

sharingTest('a caller of the pool that waits gets a connection before the thread can claim it', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  const order: string[] = [];
  const take = async (source: Pick<SharedPool, 'acquire'>, name: string): Promise<void> => {
    const taken = await source.acquire();
    order.push(name);
    taken.release();
  };
  const waiting = take(pool, 'the caller that waits');
  lease.release();
  await Promise.all([waiting, take(shared, 'the thread')]);
  t.deepEqual(order, ['the caller that waits', 'the thread']);
  t.true(await settled(pool, 0));
});

sharingTest(
  'a caller that comes after a claim gets the connection when the claim’s lease ends',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: 1 });
    const notes = noteEvents(pool);
    await using shared = await connectSharedPool(pool.share());
    (await shared.acquire()).release();
    const claimed = await mustClaim(shared);
    // The pool has read neither the release nor the claim.
    let served = false;
    const waiting = pool.acquire().then((own) => {
      served = true;
      return own;
    });
    t.is(await echo(claimed.socket, 'mine'), 'mine');
    t.false(served);
    t.like(pool.stats(), { leased: 1, waiting: 1 });
    claimed.release();
    t.is(await claim(shared), undefined, 'a caller waits');
    const own = await waiting;
    t.is(await echo(own.socket, 'own'), 'own');
    own.release();
    t.deepEqual(notes.slice(0, 5), [
      'acquired 1 by 1',
      'released 1 by 1',
      // The caller of the second acquire waits.
      'acquired 1 by 3',
      'released 1 by 3',
      'acquired 1 by 2',
    ]);
    t.true(await settled(pool, 0));
  },
);

sharingTest('a connection that the pool has leased meanwhile is not claimed', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await using shared = await connectSharedPool(pool.share());
  (await shared.acquire()).release();
  t.true(await settled(pool, 0));
  const own = pool.tryAcquire();
  t.is(own?.connectionId, 1);
  t.is(await claim(shared), undefined);
  t.is(own && (await echo(own.socket, 'own')), 'own');
  own?.release();
  t.true(await settled(pool, 0));
});

sharingTest('the pool does not lease an idle connection that a thread has claimed', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const notes = noteEvents(pool);
  await using shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  const claimed = await mustClaim(shared);
  // The message about the claim has not been read.
  t.is(pool.tryAcquire(), undefined);
  t.like(pool.stats(), { leased: 1, idle: 0 });
  t.is(await echo(claimed.socket, 'mine'), 'mine');
  claimed.release();
  t.true(await settled(pool, 0));
  t.deepEqual(notes, ['acquired 1 by 1', 'released 1 by 1', 'acquired 1 by 2', 'released 1 by 2']);
});

sharingTest('clear() closes a connection that a thread has claimed when it comes back', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const notes = noteEvents(pool);
  await using shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  const claimed = await mustClaim(shared);
  pool.clear();
  t.is(await echo(claimed.socket, 'still there'), 'still there');
  claimed.release();
  t.is(await claim(shared), undefined, 'the pool wants it closed');
  t.true(await until(() => notes.includes('closed 1 stale')));
  t.true(await settled(pool, 0));
});

sharingTest('no claim begins on a connection that clear() closes when it comes back', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  pool.clear();
  lease.release();
  t.is(await claim(shared), undefined);
  t.true(await until(() => pool.stats().closedByReason.stale === 1));
});

sharingTest('clear() closes a connection that may be claimed, and its thread gets another one', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  pool.clear();
  t.is(pool.stats().total, 0);
  const lease = await shared.acquire();
  t.is(lease.connectionId, 2);
  t.is(await echo(lease.socket, 'new'), 'new');
  lease.release();
});

sharingTest('no claim begins a lease after close() of the pool', async (t) => {
  const pool = openPool(t, await startSystem(t));
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  const closing = pool.close();
  lease.release();
  t.is((await failureOf(shared.acquire())).code, 'POOL_CLOSED');
  await closing;
  t.like(pool.stats(), { total: 0, leased: 0 });
});

sharingTest('close() of the pool waits for a claimed lease', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const notes = noteEvents(pool);
  await using shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  const claimed = await mustClaim(shared);
  const closing = pool.close();
  t.is(await echo(claimed.socket, 'not yet'), 'not yet');
  claimed.release();
  await closing;
  t.is(notes.at(-1), 'closed 1 poolClosed');
});

sharingTest('destroy() of the pool ends a claimed lease', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  const { socket } = await mustClaim(shared);
  await pool.destroy();
  t.true(await until(() => socket.destroyed));
  t.like(pool.stats(), { total: 0, leased: 0 });
});

sharingTest('a listener that ends the pool when it hears of a claim ends the claimed lease', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const shared = await connectSharedPool(pool.share());
  await leaseOnce(pool, shared);
  t.is(pool.stats().idle, 1);
  pool.once('acquireStarted', () => void pool.destroy());
  const { socket } = await mustClaim(shared);
  t.true(await until(() => socket.destroyed));
  t.is((await failureOf(shared.acquire())).code, 'POOL_CLOSED');
});

sharingTest('a caller that a listener of a release makes wait is served', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  const served = new Promise<Lease>((resolve) => {
    pool.once('released', () => void pool.acquire().then(resolve));
  });
  pool.once('acquired', () => {});
  lease.release();
  // Watched from now on only: the lease above began before there were listeners.
  (await shared.acquire()).release();
  const own = await served;
  t.is(await echo(own.socket, 'own'), 'own');
  own.release();
});

sharingTest('the leak watch reports a claimed lease', async (t) => {
  const pool = openPool(t, await startSystem(t), { leakThresholdMs: 50 });
  await using shared = await connectSharedPool(pool.share());
  (await shared.acquire()).release();
  const suspected = new Promise<number>((resolve) => {
    pool.on('leakSuspected', ({ acquireId }) => resolve(acquireId));
  });
  const claimed = await mustClaim(shared);
  t.is(await suspected, 2);
  claimed.release();
});

for (const [what, options] of [
  ['that validates', { validate: () => true }],
  ['with maxTotal', { maxTotal: 4 }],
] as const) {
  sharingTest(`a pool ${what} lets no thread claim`, async (t) => {
    const pool = openPool(t, await startSystem(t), options);
    await using shared = await connectSharedPool(pool.share());
    (await shared.acquire()).release();
    t.is(await claim(shared), undefined);
    t.true(await settled(pool, 0));
  });
}

sharingTest('a thread that leases and claims does not load koffi', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  await sharer.call('release', 'a');
  await sharer.call('acquire', 'b');
  t.is(await sharer.call('echo', 'b', 'word'), 'word');
  t.false(await sharer.call('hasLoadedKoffi'));
});

sharingTest('a thread does not claim a connection on which bytes came in an earlier turn', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  const first = await sharer.call('acquire', 'a');
  const second = await sharer.call('acquireAfterUnseen', 'a', 'b', 100);
  t.not(second.connectionId, first.connectionId);
  t.is(await sharer.call('echo', 'b', 'clean'), 'clean');
  t.true(await until(() => pool.stats().targets[0]?.closedByReason.dirty === 1));
});

sharingTest('the pool hears of the end of a connection that its thread may claim', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  await using shared = await connectSharedPool(pool.share());
  const lease = await shared.acquire();
  await echo(lease.socket, 'alive');
  lease.release();
  t.true(await until(() => pool.stats().idle === 1));
  system.backend.dropAll();
  t.true(await until(() => pool.stats().total === 0));
  t.is(pool.stats().targets[0]?.closedByReason.stale, 1);
});

sharingTest('the claimed lease of a thread that ends at once closes as leaked', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const sharer = await startSharer(t, pool);
  await sharer.call('acquire', 'a');
  sharer.tell('claimAndExit', 'a');
  await sharer.exited;
  t.true(await until(() => pool.stats().total === 0));
  t.like(pool.stats(), { leased: 0, created: 1 });
  t.is(pool.stats().targets[0]?.closedByReason.leaked, 1);
  await system.backend.until(() => system.backend.connections === 0);
});

sharingTest('a connection that a thread gives back as it ends goes to the next caller', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const sharer = await startSharer(t, pool);
  const { connectionId } = await sharer.call('acquire', 'a');
  sharer.tell('releaseAndExit', 'a');
  const next = await pool.acquire();
  t.is(next.connectionId, connectionId);
  t.is(await echo(next.socket, 'next'), 'next');
  next.release();
  await sharer.exited;
  t.like(pool.stats(), { created: 1, idle: 1 });
});

sharingTest('a claim of a connection that a thread has on lease cuts the thread off', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const sharer = await startSharer(t, pool);
  const { connectionId } = await sharer.call('acquire', 'a');
  await sharer.call('post', { kind: 'claimed', acquireId: 1_000, connectionId });
  await sharer.call('ended', 'a');
  t.is((await failureOf(sharer.call('acquire', 'b'))).code, 'WORKER_FAILED');
  t.is(pool.stats().targets[0]?.closedByReason.error, 1);
  await sharer.call('release', 'a');
});
