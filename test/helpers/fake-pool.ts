import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { BrokerPool, type BrokerPoolOptions } from '../../src/index.js';
import type { Failure } from '../../src/errors.js';
import { FAKE_BROKER } from './endpoints.js';
import { FakeClock } from './fake-clock.js';
import { connected, failed, FakeDriver, FakeSocket } from './fake-peers.js';

/** A pool on a clock of its own, whose negotiations end when the test says so. */
export interface FakePool {
  readonly pool: BrokerPool;
  readonly clock: FakeClock;
  readonly driver: FakeDriver;
  /** Lets the negotiation that began first end well, and waits for what follows. */
  readonly connect: () => Promise<FakeSocket>;
  /** Lets the negotiation that began first fail, and waits for what follows. */
  readonly fail: (failure?: Failure) => Promise<void>;
  /** Lets time pass, and waits for what follows. */
  readonly pass: (durationMs: number) => Promise<void>;
}

const BROKER_IS_DOWN: Failure = {
  code: 'BROKER_CONNECT',
  message: 'failed to connect to the broker: ECONNREFUSED',
};

export const REFUSAL: Failure = {
  code: 'REFUSED',
  message: 'service unknown',
  refusalKind: 'serviceUnknown',
  refusalCode: 2,
  retryAfterMs: 0,
};

/** Everything that does not wait for time or for a peer has happened. */
export const settled = (): Promise<void> => turn();

export function fakePool(t: ExecutionContext, options: BrokerPoolOptions = {}): FakePool {
  const clock = new FakeClock();
  const driver = new FakeDriver();
  const target = {
    brokerEndpoint: FAKE_BROKER,
    serviceName: 'demo',
    wantedVersion: '1.0.0',
    endpointCache: false,
  } as const;
  const pool = new BrokerPool({ ...target, ...options }, clock, () => driver);
  t.teardown(() => pool.destroy());
  const first = () => {
    const [job] = driver.pending;
    if (job === undefined) throw new Error('nothing is being negotiated');
    return job;
  };
  return {
    pool,
    clock,
    driver,
    async connect() {
      const socket = new FakeSocket();
      first().settle(connected(socket));
      await settled();
      return socket;
    },
    async fail(failure = BROKER_IS_DOWN) {
      first().settle(failed(failure));
      await settled();
    },
    async pass(durationMs) {
      clock.advance(durationMs);
      await settled();
    },
  };
}
