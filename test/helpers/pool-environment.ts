import { EventEmitter } from 'node:events';
import { CachedClock, SharedTimer } from '../../src/clock.js';
import { AcquireQueue } from '../../src/pool/acquire-queue.js';
import type { OpensConnections } from '../../src/pool/connecting/connector.js';
import { checkPoolOptions, type BrokerPoolOptions } from '../../src/pool/options.js';
import type { PoolEnvironment } from '../../src/pool/pool-environment.js';
import { createEventSources } from '../../src/pool/watching/event-sources.js';
import { LeaseWatch } from '../../src/pool/watching/lease-watch.js';
import { FAKE_BROKER } from './endpoints.js';
import { FakeClock } from './fake-clock.js';

export const TARGET = { brokerEndpoint: FAKE_BROKER, serviceName: 'demo', wantedVersion: '1.0.0' };

/** Opens nothing. */
const NO_CONNECTOR: OpensConnections = {
  connect: () => new Promise(() => {}),
  retryNow: () => {},
};

/** The environment of a target pool or a part of one, on a fake clock. */
export function poolEnvironment(
  options: BrokerPoolOptions = {},
  parts: Partial<PoolEnvironment> = {},
): PoolEnvironment & { readonly clock: FakeClock; readonly emitter: EventEmitter } {
  const emitter = new EventEmitter();
  const clock = new FakeClock();
  const settings = checkPoolOptions({ ...TARGET, ...options });
  return {
    settings,
    connector: NO_CONNECTOR,
    cache: undefined,
    events: createEventSources('test', emitter, settings.leakThresholdMs > 0),
    capacity: undefined,
    ids: { connection: 0, acquire: 0 },
    entryPoints: [],
    ...parts,
    clock,
    emitter,
  };
}

/** A queue of callers whose time is never up. */
export function timelessQueue(environment: PoolEnvironment): AcquireQueue {
  const { clock } = environment;
  const timer = new SharedTimer(
    clock,
    () => {},
    () => Infinity,
  );
  const watch = new LeaseWatch(TARGET, environment, timer, () => {});
  return new AcquireQueue(clock, new CachedClock(clock, () => {}), timer, watch);
}
