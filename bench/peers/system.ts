import { spawnTestSystem, type TestTarget } from '../../src/testing/index.js';
import { RealBroker } from '../../test/interop/real-broker.js';
import type { ConnectTask } from '../programs/connect.js';
import { THIS_BUILD } from './build.js';
import { RustClient } from './rust-client.js';

/** A broker and an echo backend in other processes, and the Rust client where the broker is the real one. */
export interface BenchSystem extends AsyncDisposable {
  readonly target: TestTarget;
  readonly backendEndpoint: string;
  readonly rust: RustClient | undefined;
  /** For titles. */
  readonly brokerName: string;
}

/**
 * The real broker where there is a Rust program, else the embedded one.
 *
 * @param handoff whether the backend takes connections over; then each Hello that advertises handle passing
 * costs a handoff (C-03)
 */
export async function startSystem(
  rustProgram: string | undefined,
  handoff: 'accept' | 'none' = 'none',
): Promise<BenchSystem> {
  return rustProgram === undefined ? await startEmbedded(handoff) : await startReal(rustProgram, handoff);
}

async function startEmbedded(handoff: 'accept' | 'none'): Promise<BenchSystem> {
  const system = await spawnTestSystem({ handoff });
  const { backend, target } = system;
  return {
    target,
    backendEndpoint: backend.endpoint,
    rust: undefined,
    brokerName: 'embedded broker',
    [Symbol.asyncDispose]: () => system.stop(),
  };
}

async function startReal(program: string, handoff: 'accept' | 'none'): Promise<BenchSystem> {
  const real = await RealBroker.start(program, handoff);
  const rust = new RustClient(program, real.endpoints);
  const { backend, broker, service, version } = real.endpoints;
  return {
    target: { brokerEndpoint: broker, serviceName: service, wantedVersion: version },
    backendEndpoint: backend,
    rust,
    brokerName: 'real broker',
    [Symbol.asyncDispose]: async () => {
      await rust.stop();
      await real.stop();
    },
  };
}

/** A turn of negotiated connects by the pool of this build, for `callers` at a time. */
export function negotiationTask({ target, rust }: BenchSystem, callers: number): ConnectTask {
  return {
    build: THIS_BUILD,
    options: { ...target, max: callers, maxConnecting: callers, endpointCache: false },
    route: 'broker-negotiated',
    callers,
    paced: rust === undefined,
  };
}
