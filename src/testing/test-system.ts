import { EmbeddedBackend, type EmbeddedBackendOptions } from './embedded-backend.js';
import { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
import type { EmbeddedService } from './hello-rules.js';

/** What a client needs to know; spread it into the options of a pool or of `connectToBackend`. */
export interface TestTarget {
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
}

/** Options of {@link startTestSystem}. */
export interface TestSystemOptions {
  /** @default 'echo' */
  readonly serviceName?: string;
  /** @default '1.0.0' */
  readonly version?: string;
  /** For the sockets of both. @default a new temporary directory for each */
  readonly directory?: string;
  readonly broker?: EmbeddedBrokerOptions;
  readonly backend?: EmbeddedBackendOptions;
  /** More about the service than its name, version and endpoints. */
  readonly service?: Partial<EmbeddedService>;
}

/** A broker and a backend inside the own process that know each other. */
export interface TestSystem extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  readonly backend: EmbeddedBackend;
  readonly target: TestTarget;
  /** Stops both. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a backend and a broker that negotiates it.
 *
 * `await using system = await startTestSystem(); await connectToBackend(system.target);`
 */
export async function startTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const { directory, serviceName = 'echo', version = '1.0.0' } = options;
  const where = directory === undefined ? {} : { directory };
  const backend = await EmbeddedBackend.start({ ...where, ...options.backend });
  const service: EmbeddedService = {
    endpoint: backend.endpoint,
    version,
    ...(backend.handoffEndpoint === undefined ? {} : { handoffEndpoint: backend.handoffEndpoint }),
    ...options.service,
  };
  const services = { [serviceName]: service, ...options.broker?.services };
  let broker: EmbeddedBroker;
  try {
    broker = await EmbeddedBroker.start({ ...where, ...options.broker, services });
  } catch (error) {
    await backend.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    await Promise.all([broker.stop(), backend.stop()]);
  };
  return {
    broker,
    backend,
    target: { brokerEndpoint: broker.endpoint, serviceName, wantedVersion: version },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
