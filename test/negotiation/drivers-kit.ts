import type { ExecutionContext } from 'ava';
import { systemClock } from '../../src/clock.js';
import { encodeHelloFrame } from '../../src/negotiation/exchange/hello.js';
import type { AdminJob, Driver, HandshakeJob, Job, Outcome } from '../../src/negotiation/job.js';
import { HybridDriver } from '../../src/negotiation/hybrid-driver.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { WorkerDriver, type WorkerDriverOptions } from '../../src/negotiation/wait-thread/worker-driver.js';
import { ownTrust } from '../../src/os/endpoint-trust.js';
import { loadNative, type Native } from '../../src/os/native.js';
import { scaled } from '../helpers/patience.js';
import { SERVICE, VERSION } from '../helpers/talk.js';

const native = loadNative();
/** Longer than any exchange takes. */
const LONG_MS = scaled(20_000);

/**
 * A worker driver. Where its thread fails an event-loop driver takes over, with the system calls of this
 * process.
 */
export function workerDriver(calls: Native, options: Partial<WorkerDriverOptions> = {}): WorkerDriver {
  // On a busy machine the thread may start late, and the event loop would do what the test wants of the thread.
  const usual = { fallback: new EventLoopDriver(systemClock, native), startLimitMs: LONG_MS };
  return new WorkerDriver(calls, { ...usual, ...options });
}

/** Every driver of this platform. All must pass the same tests. */
export const DRIVERS: ReadonlyMap<string, () => Driver> = new Map<string, () => Driver>([
  ['event-loop driver', () => new EventLoopDriver(systemClock, undefined)],
  ...(native === undefined
    ? []
    : ([
        ['event-loop driver with native sends', () => new EventLoopDriver(systemClock, native)],
        ['worker driver', () => workerDriver(native)],
        ['hybrid driver', () => new HybridDriver(native)],
        ['worker driver on poll', () => workerDriver(native, { poller: 'poll' })],
      ] as const)),
]);

export function handshakeJob(brokerEndpoint: string, changes: Partial<HandshakeJob> = {}): HandshakeJob {
  const roundTripTimeoutMs = changes.roundTripTimeoutMs ?? LONG_MS;
  return {
    kind: 'handshake',
    brokerEndpoint,
    request: encodeHelloFrame({ serviceName: SERVICE, wantedVersion: VERSION }, true),
    deadlineMs: systemClock.now() + roundTripTimeoutMs,
    roundTripTimeoutMs,
    adoptHandedOffConnection: false,
    handoffReadyTimeoutMs: LONG_MS,
    trust: ownTrust(),
    ...changes,
  };
}

/** The exchange of an admin request; brokers of tests look at no request. */
export function adminJob(brokerEndpoint: string, changes: Partial<AdminJob> = {}): AdminJob {
  const { request, deadlineMs, roundTripTimeoutMs, trust } = handshakeJob(
    brokerEndpoint,
    changes.roundTripTimeoutMs === undefined ? {} : { roundTripTimeoutMs: changes.roundTripTimeoutMs },
  );
  return { kind: 'admin', brokerEndpoint, request, deadlineMs, roundTripTimeoutMs, trust, ...changes };
}

/** A driver that is closed when the test is over. */
export function openDriver(t: ExecutionContext, create: () => Driver): Driver {
  const driver = create();
  t.teardown(() => driver.close());
  return driver;
}

/**
 * Runs a job to its end. A test that fails leaves its connections open: they are reset when its backend
 * stops, which must not fail the tests beside it as an uncaught error.
 */
export function run(driver: Driver, job: Job): Promise<Outcome> {
  return new Promise((resolve) => {
    driver.start(job, (outcome) => {
      if (outcome.kind === 'connected') outcome.socket.on('error', () => {});
      resolve(outcome);
    });
  });
}

/** The connection that a job must have ended in. */
export function connectionOf(outcome: Outcome) {
  if (outcome.kind !== 'connected') throw new Error(`no connection: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The failure that a job must have ended in. */
export function failureOf(outcome: Outcome) {
  if (outcome.kind !== 'failed') throw new Error(`no failure: ${outcome.kind}`);
  return outcome.failure;
}
