import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { EmbeddedBackend } from '../../src/testing/embedded-backend.js';
import { EmbeddedBroker } from '../../src/testing/embedded-broker.js';
import type { EmbeddedBackendOptions, EmbeddedBrokerOptions } from '../../src/testing/options.js';
import { temporaryDirectory } from './sanitary.js';
import { SERVICE, VERSION } from './talk.js';

export { closed, echo, read, SERVICE, VERSION } from './talk.js';

/** A broker and the one backend that it knows, both in this process. */
export interface TestSystem {
  readonly broker: EmbeddedBroker;
  readonly backend: EmbeddedBackend;
  readonly directory: string;
  readonly target: {
    readonly brokerEndpoint: string;
    readonly serviceName: string;
    readonly wantedVersion: string;
  };
}

export interface SystemOptions {
  readonly backend?: EmbeddedBackendOptions;
  readonly broker?: EmbeddedBrokerOptions;
}

/** Starts a broker and a backend; they stop when the test is over. */
export async function startSystem(t: ExecutionContext, options: SystemOptions = {}): Promise<TestSystem> {
  const directory = temporaryDirectory(t);
  const backend = await EmbeddedBackend.start({ directory, handoff: 'none', ...options.backend });
  const { handoffEndpoint } = backend;
  const service = {
    endpoint: backend.endpoint,
    version: VERSION,
    ...(handoffEndpoint === undefined ? {} : { handoffEndpoint }),
  };
  const broker = await EmbeddedBroker.start({
    directory,
    services: { [SERVICE]: service },
    ...options.broker,
  });
  t.teardown(async () => {
    await broker.stop();
    await backend.stop();
  });
  return {
    broker,
    backend,
    directory,
    target: { brokerEndpoint: broker.endpoint, serviceName: SERVICE, wantedVersion: VERSION },
  };
}

/** A system whose backend greets and ends its side at once, and the texts that its connections bring. */
export async function startGreetingSystem(
  t: ExecutionContext,
): Promise<TestSystem & { readonly received: readonly Promise<string>[] }> {
  const received: Promise<string>[] = [];
  const system = await startSystem(t, {
    backend: {
      onConnection: (socket) => {
        received.push(text(socket));
        socket.end('greeting');
      },
    },
  });
  return { ...system, received };
}
