import { rejectUnknownOptions } from '../validation.js';
import { EmbeddedBackend } from './embedded-backend.js';
import { EmbeddedBroker } from './embedded-broker.js';
import type { EmbeddedService } from './hello-rules.js';
import {
  checkBackendOptions,
  checkBrokerOptions,
  checkServiceOptions,
  withoutUndefined,
  type EmbeddedBackendOptions,
  type EmbeddedBrokerOptions,
} from './options.js';

/** The target of a client; spread it into the options of a pool or of `connectToBackend`. */
export interface TestTarget {
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
}

/** Options of {@link startTestSystem}. */
export interface TestSystemOptions {
  /** @default 'echo' */
  readonly serviceName?: string | undefined;
  /** @default '1.0.0' */
  readonly version?: string | undefined;
  /** For the sockets of both. @default a new temporary directory for each */
  readonly directory?: string | undefined;
  readonly broker?: EmbeddedBrokerOptions | undefined;
  readonly backend?: EmbeddedBackendOptions | undefined;
  /** Further properties of the service; they replace the version and endpoints above. */
  readonly service?: Partial<EmbeddedService> | undefined;
}

const OPTION_NAMES = [
  'serviceName',
  'version',
  'directory',
  'broker',
  'backend',
  'service',
] as const satisfies readonly (keyof TestSystemOptions)[];

/** A broker and the backend that it negotiates, in this process. */
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
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist
 */
export async function startTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  rejectUnknownOptions('options', options, OPTION_NAMES);
  const {
    directory,
    serviceName = 'echo',
    version = '1.0.0',
    broker: brokerOptions = {},
    backend: backendOptions = {},
    service: more = {},
  } = options;
  checkBrokerOptions('broker', brokerOptions);
  checkBackendOptions('backend', backendOptions);
  checkServiceOptions('service', more);
  const backend = await EmbeddedBackend.start({ directory, ...withoutUndefined(backendOptions) });
  const service: EmbeddedService = {
    endpoint: backend.endpoint,
    version,
    ...(backend.handoffEndpoint === undefined ? {} : { handoffEndpoint: backend.handoffEndpoint }),
    ...withoutUndefined(more),
  };
  const services = { [serviceName]: service, ...brokerOptions.services };
  let broker: EmbeddedBroker;
  try {
    broker = await EmbeddedBroker.start({ directory, ...withoutUndefined(brokerOptions), services });
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
