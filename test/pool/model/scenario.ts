import type { BrokerPoolOptions } from '../../../src/index.js';
import { FAKE_BROKER } from '../../helpers/endpoints.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';

export const SERVICES = ['alpha', 'beta'] as const;
export type Service = (typeof SERVICES)[number];

/** The options and weights of one run of the model; each seed has its own. */
export interface Scenario {
  readonly max: number;
  readonly min: number;
  readonly maxTotal: number;
  readonly maxConnecting: number;
  readonly maxWaiting: number;
  readonly validates: boolean;
  /** Listens to the pool's events and checks them as well. */
  readonly listens: boolean;
  readonly options: BrokerPoolOptions;
}

export function scenarioFor(
  random: SeededRandom,
  validate: NonNullable<BrokerPoolOptions['validate']>,
): Scenario {
  const max = 1 + random.below(4);
  const maxTotal = random.chance(0.5) ? Infinity : max + random.below(3);
  // Both targets must be able to have their minimum.
  const min = Math.min(
    random.below(3),
    max,
    maxTotal === Infinity ? max : Math.floor(maxTotal / SERVICES.length),
  );
  const maxConnecting = 1 + random.below(3);
  const maxWaiting = random.chance(0.5) ? Infinity : random.below(6);
  const validates = random.chance(0.5);
  const options: BrokerPoolOptions = {
    brokerEndpoint: FAKE_BROKER,
    serviceName: SERVICES[0],
    wantedVersion: '1.0.0',
    max,
    min,
    maxTotal,
    maxConnecting,
    maxWaiting,
    acquireTimeoutMs: 2_000,
    idleTimeoutMs: 3_000,
    maxLifetimeMs: 20_000,
    maxUses: random.chance(0.5) ? Infinity : 5,
    roundTripTimeoutMs: 1_000,
    leakThresholdMs: random.chance(0.2) ? 4_000 : 0,
    // Every connection is negotiated, by the fake driver.
    endpointCache: false,
    ...(validates && { validate, validateAfterIdleMs: random.chance(0.3) ? 0 : 200, keepaliveMs: 700 }),
  };
  return { max, min, maxTotal, maxConnecting, maxWaiting, validates, listens: random.chance(0.5), options };
}
