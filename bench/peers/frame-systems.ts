import { EmbeddedBroker, type TestTarget } from '../../src/testing/index.js';
import { NodeBackend } from '../../test/interop/node-backend.js';
import { RealBroker } from '../../test/interop/real-broker.js';

/** A broker, and behind it a backend in another process that echoes frames. */
export interface FrameSystem extends AsyncDisposable {
  /** For titles and rows. */
  readonly name: string;
  readonly target: TestTarget;
}

type Handoff = 'accept' | 'none';

/** The real broker where there is a Rust program, and behind it the crate's mux; else the embedded one and a Node backend. */
export async function startFrameSystem(
  rustProgram: string | undefined,
  handoff: Handoff = 'none',
): Promise<FrameSystem> {
  if (rustProgram === undefined) return await startNodeSystem(undefined, handoff);
  const real = await RealBroker.start(rustProgram, handoff, 'mux');
  return {
    name: 'real broker, Rust mux backend',
    target: targetOf(real),
    [Symbol.asyncDispose]: () => real.stop(),
  };
}

/** The same with a Node backend in any case. */
export async function startNodeSystem(
  rustProgram: string | undefined,
  handoff: Handoff = 'none',
): Promise<FrameSystem> {
  return rustProgram === undefined ? await behindEmbedded(handoff) : await behindReal(rustProgram, handoff);
}

async function behindReal(rustProgram: string, handoff: Handoff): Promise<FrameSystem> {
  const real = await RealBroker.start(rustProgram, handoff, 'external');
  const { backend: endpoint, handoff: handoffEndpoint } = real.endpoints;
  const backend = await NodeBackend.start(
    handoffEndpoint === null ? { endpoint } : { endpoint, handoffEndpoint },
  );
  return {
    name: 'real broker, Node backend',
    target: targetOf(real),
    [Symbol.asyncDispose]: async () => {
      await real.stop();
      await backend.stop();
    },
  };
}

/** The broker runs in this process, and is asked once for each pool or connect. */
async function behindEmbedded(handoff: Handoff): Promise<FrameSystem> {
  const backend = await NodeBackend.start({}, handoff === 'accept');
  const { endpoint, handoffEndpoint } = backend;
  const broker = await EmbeddedBroker.start({ services: { bench: { endpoint, handoffEndpoint } } });
  return {
    name: 'embedded broker, Node backend',
    target: { brokerEndpoint: broker.endpoint, serviceName: 'bench', wantedVersion: '1.2.3' },
    [Symbol.asyncDispose]: async () => {
      await broker.stop();
      await backend.stop();
    },
  };
}

function targetOf({ endpoints }: RealBroker): TestTarget {
  const { broker: brokerEndpoint, service: serviceName, version: wantedVersion } = endpoints;
  return { brokerEndpoint, serviceName, wantedVersion };
}
