import { invalidArgument } from '../errors.js';
import { optional, readOptions, type Option, type OptionsOf } from '../option-table.js';
import { checkString } from '../validation.js';
import { EmbeddedBackend } from './embedded-backend.js';
import { EmbeddedBroker } from './embedded-broker.js';
import { checkServiceOptions } from './check-behaviour.js';
import type { EmbeddedService } from './hello-rules.js';
import {
  checkBackendOptions,
  embeddedBrokerOptions,
  systemOptions,
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

const testSystemOptions = {
  /** For the sockets of both. @default a new temporary directory for each */
  directory: optional(checkString),
  /** Options of the broker; its `services` are further ones. @default those of {@link EmbeddedBroker.start} */
  broker: passedOn<EmbeddedBrokerOptions>((name, value) => readOptions(embeddedBrokerOptions, value, name)),
  /** Options of the backend. @default those of {@link EmbeddedBackend.start} */
  backend: passedOn<EmbeddedBackendOptions>((name, value) => checkBackendOptions(value, name)),
  /** Further properties of the service; they replace the version and endpoints above. @default none */
  service: passedOn<Partial<EmbeddedService>>(checkServiceOptions),
};

/** Options of {@link startTestSystem}. */
export interface TestSystemOptions
  extends Readonly<OptionsOf<typeof systemOptions>>, Readonly<OptionsOf<typeof testSystemOptions>> {}

/** Options that are checked here and read by the function that gets them. */
function passedOn<Options extends object>(
  check: (name: string, options: Options) => unknown,
): Option<Options, Options | undefined> {
  return {
    check(name, options) {
      check(name, options);
      return options;
    },
    fallback: () => undefined,
  };
}

/** A broker and the backend that it negotiates, in this process. */
export interface TestSystem<
  Backend extends EmbeddedBackend | undefined = EmbeddedBackend,
> extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  /** `undefined` for a service with an endpoint of its own. */
  readonly backend: Backend;
  readonly target: TestTarget;
  /** Stops both. Idempotent. */
  stop(): Promise<void>;
}

/** Options of {@link startTestSystem} for a service that runs already. */
export interface OwnServiceOptions extends Omit<TestSystemOptions, 'backend' | 'service'> {
  readonly backend?: undefined;
  readonly service: Partial<EmbeddedService> & Pick<EmbeddedService, 'endpoint'>;
}

/**
 * Starts a backend and a broker that negotiates it. For a service with an endpoint of its own, and without options
 * of a backend, it starts the broker alone.
 *
 * `await using system = await startTestSystem(); await connectToBackend(system.target);`
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist, and for options that exclude or
 * lack each other
 */
export function startTestSystem(options: OwnServiceOptions): Promise<TestSystem<undefined>>;
export function startTestSystem(options?: TestSystemOptions): Promise<TestSystem>;
export async function startTestSystem(
  options: TestSystemOptions | OwnServiceOptions = {},
): Promise<TestSystem<EmbeddedBackend | undefined>> {
  const settings = readOptions({ ...systemOptions, ...testSystemOptions }, options);
  const { directory, serviceName, version } = settings;
  const { broker: brokerOptions = {}, backend: backendOptions, service: more = {} } = settings;
  if (brokerOptions.services?.[serviceName] !== undefined)
    throw invalidArgument(
      `broker.services.${serviceName}`,
      'is the service of the system: give its properties as service',
    );
  checkUse(settings);
  const isOwn = more.endpoint !== undefined && backendOptions === undefined;
  const backend = isOwn
    ? undefined
    : await EmbeddedBackend.start({ directory, ...withoutUndefined(backendOptions ?? {}) });
  const service: EmbeddedService = {
    endpoint: backend?.endpoint ?? '',
    version,
    ...(backend?.handoffEndpoint === undefined ? {} : { handoffEndpoint: backend.handoffEndpoint }),
    ...withoutUndefined(more),
  };
  const services = { [serviceName]: service, ...brokerOptions.services };
  let broker: EmbeddedBroker;
  try {
    broker = await EmbeddedBroker.start({ directory, ...withoutUndefined(brokerOptions), services });
  } catch (error) {
    await backend?.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    await Promise.all([broker.stop(), backend?.stop()]);
  };
  return {
    broker,
    backend,
    target: { brokerEndpoint: broker.endpoint, serviceName, wantedVersion: version },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A backend of the system to which no client would come. */
function checkUse({ backend, service }: Pick<TestSystemOptions, 'backend' | 'service'>): void {
  if (service?.endpoint === undefined || backend === undefined) return;
  const isTakingOver = (backend.handoff ?? 'none') !== 'none' && service.handoffEndpoint === undefined;
  if (!isTakingOver)
    throw invalidArgument('backend', 'has no use beside service.endpoint: leave one of them out');
}
