import { importPeer } from '../harness/peer-modules.js';

/** The pooled resource, as a peer sees it. */
export interface ResourceFactory<R> {
  create(): Promise<R>;
  destroy(resource: R): Promise<void>;
}

/** A pool as the benches use it. */
export interface ResourcePool<R> {
  acquire(): Promise<R>;
  release(resource: R): void;
  close(): Promise<void>;
}

/** Another pool of npm, by its name there. */
export type PeerName = 'generic-pool' | 'tarn' | 'lightning-pool';

export const PEER_NAMES: readonly PeerName[] = ['generic-pool', 'tarn', 'lightning-pool'];

/** The parts of the peers that are used here; see their own type declarations. */
interface GenericPool<R> {
  acquire(): Promise<R>;
  release(resource: R): Promise<void>;
  drain(): Promise<void>;
  clear(): Promise<void>;
}
interface GenericPoolModule {
  readonly default: { createPool<R>(factory: ResourceFactory<R>, options: object): GenericPool<R> };
}
interface TarnPool<R> {
  acquire(): { readonly promise: Promise<R> };
  release(resource: R): boolean;
  destroy(): Promise<void>;
}
interface TarnModule {
  readonly default: {
    readonly Pool: new <R>(options: ResourceFactory<R> & { min: number; max: number }) => TarnPool<R>;
  };
}
interface LightningPool<R> {
  acquire(): Promise<R>;
  release(resource: R): void;
  start(): void;
  closeAsync(force: boolean): Promise<void>;
}
interface LightningModule {
  readonly Pool: new <R>(factory: ResourceFactory<R>, options: object) => LightningPool<R>;
}

/** A peer with up to `max` resources and validation off, so that nothing is timed but pooling. */
export async function createPeer<R>(
  name: PeerName,
  factory: ResourceFactory<R>,
  max: number,
): Promise<ResourcePool<R>> {
  switch (name) {
    case 'generic-pool':
      return await createGenericPool(factory, max);
    case 'tarn':
      return await createTarn(factory, max);
    case 'lightning-pool':
      return await createLightningPool(factory, max);
  }
}

async function createGenericPool<R>(factory: ResourceFactory<R>, max: number): Promise<ResourcePool<R>> {
  const { default: genericPool } = await importPeer<GenericPoolModule>('generic-pool');
  const pool = genericPool.createPool(factory, { min: 0, max, testOnBorrow: false, testOnReturn: false });
  return {
    acquire: () => pool.acquire(),
    // The resource is back when this returns; the promise settles with nothing of interest.
    release: (resource) => void pool.release(resource),
    close: async () => {
      await pool.drain();
      await pool.clear();
    },
  };
}

async function createTarn<R>(factory: ResourceFactory<R>, max: number): Promise<ResourcePool<R>> {
  const { default: tarn } = await importPeer<TarnModule>('tarn');
  const pool = new tarn.Pool({ ...factory, min: 0, max });
  return {
    acquire: () => pool.acquire().promise,
    release: (resource) => void pool.release(resource),
    close: () => pool.destroy(),
  };
}

async function createLightningPool<R>(factory: ResourceFactory<R>, max: number): Promise<ResourcePool<R>> {
  const { Pool } = await importPeer<LightningModule>('lightning-pool');
  const pool = new Pool(factory, { min: 0, minIdle: 0, max, maxQueue: 1_000_000, validation: false });
  pool.start();
  return {
    acquire: () => pool.acquire(),
    release: (resource) => pool.release(resource),
    close: () => pool.closeAsync(true),
  };
}
