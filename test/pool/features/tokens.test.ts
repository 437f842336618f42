import type { Lease } from '../../../src/index.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { connected, FakeSocket } from '../../helpers/fake-peers.js';
import { fakePool, type FakePool } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

const TOKEN = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const NOTHING = new Uint8Array(16);

/** Lets the negotiation that began first end well, with a token. Returns the pool's own copy of that. */
function connectWithToken({ driver }: FakePool): Uint8Array {
  const token = new Uint8Array(TOKEN);
  const [job] = driver.pending;
  job?.settle(connected(new FakeSocket(), FAKE_BACKEND, token));
  return token;
}

async function leaseWithToken(fake: FakePool): Promise<Lease> {
  const acquiring = fake.pool.acquire();
  connectWithToken(fake);
  return await acquiring;
}

test('every lease of a connection has the token, until the connection closes', async (t) => {
  const fake = fakePool(t);
  const first = await leaseWithToken(fake);
  const token = first.handoffToken;
  first.release();
  const second = fake.pool.tryAcquire();
  t.is(second?.handoffToken, token);
  t.deepEqual(token, TOKEN);
  second?.destroy();
  t.deepEqual(token, NOTHING);
});

const ends: Readonly<Record<string, (fake: FakePool, lease: Lease) => void | Promise<void>>> = {
  'clear()': ({ pool }, lease) => {
    lease.release();
    pool.clear();
  },
  'close()': ({ pool }, lease) => {
    lease.release();
    return pool.close();
  },
  'destroy()': ({ pool }) => pool.destroy(),
  'its own end': (_, lease) => void lease.socket.destroy(),
};

for (const [title, end] of Object.entries(ends)) {
  test(`the token of a connection that closes by ${title} is overwritten`, async (t) => {
    const fake = fakePool(t);
    const lease = await leaseWithToken(fake);
    const token = lease.handoffToken;
    await end(fake, lease);
    t.deepEqual(token, NOTHING);
  });
}

test('a connection that comes when the pool has ended is closed, and its token overwritten', async (t) => {
  const fake = fakePool(t);
  const waiting = failureOf(fake.pool.acquire());
  const token = connectWithToken(fake);
  const ended = fake.pool.destroy();
  t.deepEqual(token, TOKEN);
  t.is((await waiting).code, 'POOL_CLOSED');
  await ended;
  t.deepEqual(token, NOTHING);
});
