import { EventEmitter } from 'node:events';
import type { OpensConnections } from '../../src/pool/connecting/connector.js';
import { checkPoolOptions, type BrokerPoolOptions } from '../../src/pool/options.js';
import type { PoolEnvironment } from '../../src/pool/pool-environment.js';
import { createEventSources } from '../../src/pool/watching/event-sources.js';
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
