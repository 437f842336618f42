import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import type { BrokerPool, Lease } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { loadBuild, THIS_BUILD } from './build.js';
import { createPeer, PEER_NAMES, type PeerName, type ResourcePool } from './pools.js';

/** An object that lends and takes back, as the benches of acquire and release use it. */
export const OURS = 'BrokerPool';
/** The floor: no check, no deadline, no limit but the number of resources. */
export const FLOOR = 'an array and a linked queue';
export type LenderName = typeof OURS | typeof FLOOR | PeerName;
export const LENDER_NAMES: readonly LenderName[] = [OURS, ...PEER_NAMES, FLOOR];

/**
 * A lender whose `max` resources are made and idle, checked to hand out each of them once. Ours lends
 * connected sockets with every check of a lease; the peers lend objects that cost nothing, with validation
 * off.
 */
export async function openLender(
  name: LenderName,
  max: number,
  target: TestTarget,
): Promise<ResourcePool<unknown>> {
  if (name === OURS) return await openOurs(max, target);
  const lender = name === FLOOR ? openArray(max) : await createPeer(name, trivialFactory(), max);
  await borrowAll(lender, max);
  return lender;
}

/** The pool itself, warm: for the synchronous way too, and of another build where its URL is given. */
export async function openOurs(
  max: number,
  target: TestTarget,
  build = THIS_BUILD,
): Promise<ResourcePool<Lease> & { readonly pool: BrokerPool }> {
  const { BrokerPool } = await loadBuild(build);
  const pool = new BrokerPool({
    ...target,
    max,
    maxConnecting: Math.min(max, 16),
    idleTimeoutMs: Infinity,
    maxLifetimeMs: Infinity,
  });
  const lender = {
    pool,
    acquire: () => pool.acquire(),
    release: (lease: Lease) => lease.release(),
    close: () => pool.close(),
  };
  const leases = await borrowAll(lender, max);
  assert.equal(pool.stats().idle, max);
  assert.equal(leases.length, max);
  const lease = await pool.acquire();
  lease.socket.write('echo');
  const [answer]: Buffer[] = await once(lease.socket, 'data');
  assert.equal(answer?.toString(), 'echo');
  lease.release();
  return lender;
}

/** A caller of the floor that waits. A list of them: the `shift` of an array takes longer than all the rest. */
interface Waiting {
  readonly settle: (resource: unknown) => void;
  next: Waiting | undefined;
}

function openArray(max: number): ResourcePool<unknown> {
  const idle: unknown[] = Array.from({ length: max }, (_, id) => ({ id }));
  let first: Waiting | undefined;
  let last: Waiting | undefined;
  return {
    acquire() {
      if (idle.length > 0) return Promise.resolve(idle.pop());
      return new Promise((settle) => {
        const waiter: Waiting = { settle, next: undefined };
        if (last === undefined) first = waiter;
        else last.next = waiter;
        last = waiter;
      });
    },
    release(resource) {
      if (first === undefined) {
        idle.push(resource);
        return;
      }
      const { settle, next } = first;
      first = next;
      if (next === undefined) last = undefined;
      settle(resource);
    },
    close: async () => {},
  };
}

function trivialFactory() {
  let lastId = 0;
  return { create: async () => ({ id: lastId++ }), destroy: async () => {} };
}

/** Borrows all at once, so that all get made, and gives all back. */
async function borrowAll<R>(lender: ResourcePool<R>, max: number): Promise<R[]> {
  const resources = await Promise.all(Array.from({ length: max }, () => lender.acquire()));
  assert.equal(new Set(resources).size, max, 'a resource was lent twice');
  for (const resource of resources) lender.release(resource);
  return resources;
}
