/** Every option may be `undefined`, which is what callers have that pass something on. */
import {
  BrokerPool,
  connectLocalSocket,
  connectSharedPool,
  connectToBackend,
  sendAdminRequest,
  sharedBrokerEndpoint,
  type AcquireOptions,
  type BrokerPoolOptions,
  type CloseOptions,
  type ConnectOptions,
  type EndpointNameOptions,
  type Environment,
  type TrustOptions,
} from 'broker-pool';
import {
  EmbeddedBackend,
  EmbeddedBroker,
  spawnTestSystem,
  startTestSystem,
  type EmbeddedBackendOptions,
  type EmbeddedBrokerOptions,
} from 'broker-pool/testing';

/** The same options, each of them there and perhaps `undefined`. */
type Passed<Options> = { [Name in keyof Options]-?: Options[Name] | undefined };

declare const maybe: AbortSignal | undefined;
declare const poolOptions: Passed<BrokerPoolOptions>;
declare const acquireOptions: Passed<AcquireOptions>;
declare const closeOptions: Passed<CloseOptions>;
declare const connectOptions: Passed<Omit<ConnectOptions, 'serviceName' | 'wantedVersion'>>;
declare const trust: Passed<TrustOptions>;
declare const names: Passed<EndpointNameOptions>;
declare const broker: Passed<EmbeddedBrokerOptions>;
declare const backend: Passed<EmbeddedBackendOptions>;
declare const env: Environment;

export async function passOn(): Promise<void> {
  const pool = new BrokerPool(poolOptions);
  await pool.acquire({ signal: maybe });
  await pool.acquire(acquireOptions);
  await pool.warm(acquireOptions);
  await pool.use(() => {}, acquireOptions);
  pool.tryAcquire({ serviceName: acquireOptions.serviceName, wantedVersion: undefined });
  pool.clear({ serviceName: undefined, wantedVersion: undefined });
  await pool.close(closeOptions);
  await (await connectSharedPool(pool.share())).acquire(acquireOptions);
  await connectToBackend({ ...connectOptions, serviceName: 'a', wantedVersion: '1.0.0', trust });
  await connectLocalSocket('/a', { timeoutMs: undefined, signal: maybe });
  await sendAdminRequest({
    verb: 'STATUS',
    signal: maybe,
    timeoutMs: undefined,
    json: undefined,
    serviceName: undefined,
    outputPath: undefined,
    drainDeadlineMs: undefined,
  });
  sharedBrokerEndpoint({ ...names, env });
  await new BrokerPool({
    endpointCache: { max: undefined, ttlMs: undefined, file: undefined },
    trust,
  }).close();
  await startTestSystem({
    serviceName: undefined,
    version: undefined,
    directory: undefined,
    broker,
    backend,
    service: undefined,
  });
  await spawnTestSystem({
    serviceName: undefined,
    version: undefined,
    directory: undefined,
    backlog: undefined,
    handoff: undefined,
  });
  await EmbeddedBroker.start(broker);
  await EmbeddedBackend.start(backend);
}
