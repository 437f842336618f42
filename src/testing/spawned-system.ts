import { derived, optional, readOptions, type OptionsOf } from '../option-table.js';
import { checkString } from '../validation.js';
import { canHandOff } from './embedded-backend.js';
import { checkBacklog, checkHandoff, systemOptions, type HandoffMode } from './options.js';
import { SocketDirectory } from './socket-directory.js';
import type { BackendProcessCounts, BrokerProcessCounts } from './serve-protocol.js';
import { ServerProcess } from './server-process.js';
import type { TestTarget } from './test-system.js';

export { ServerProcess, type BackendProcessCounts, type BrokerProcessCounts };

const spawnOptions = {
  /** For all sockets. @default a new temporary directory, removed at the end */
  directory: optional(checkString),
  /** Connections that may wait to be accepted, at each. @default Node's */
  backlog: optional(checkBacklog),
  /** The backend's behaviour towards offered connections. @default 'accept' where there is FFI, else 'none' */
  handoff: derived<HandoffMode | 'none'>(checkHandoff, () => (canHandOff() ? 'accept' : 'none')),
};

/** Options of {@link spawnTestSystem}. */
export interface SpawnTestSystemOptions
  extends Readonly<OptionsOf<typeof systemOptions>>, Readonly<OptionsOf<typeof spawnOptions>> {}

/** A broker and an echo backend, each in a process of its own. */
export interface SpawnedTestSystem extends AsyncDisposable {
  readonly broker: ServerProcess<BrokerProcessCounts>;
  readonly backend: ServerProcess<BackendProcessCounts>;
  readonly target: TestTarget;
  /** Ends both and waits until they have. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts an echo backend and a broker that negotiates it as two processes: for demos, benches, and tests in which
 * a peer must be busy, stopped or dead while this process runs. They keep this process alive until `stop`.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist
 */
export async function spawnTestSystem(options: SpawnTestSystemOptions = {}): Promise<SpawnedTestSystem> {
  const settings = readOptions({ ...systemOptions, ...spawnOptions }, options);
  const { serviceName, version, handoff, backlog } = settings;
  const sockets = new SocketDirectory(settings.directory);
  // The server processes make it. This process removes it, also after a server that had to be killed; the
  // servers remove it if this process is killed.
  const directory = process.platform === 'win32' ? '' : sockets.reserve();
  const common = {
    directory,
    isTemporary: sockets.isTemporary,
    ...(backlog !== undefined && { backlog }),
  };
  const started: ServerProcess<unknown>[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
    sockets.remove();
  };
  try {
    const backend = await ServerProcess.start<BackendProcessCounts>({ role: 'backend', handoff, ...common });
    started.push(backend);
    const { endpoint, handoffEndpoint } = backend;
    const service = { endpoint, version, ...(handoffEndpoint === undefined ? {} : { handoffEndpoint }) };
    const broker = await ServerProcess.start<BrokerProcessCounts>({
      role: 'broker',
      services: { [serviceName]: service },
      ...common,
    });
    started.push(broker);
    const target: TestTarget = { brokerEndpoint: broker.endpoint, serviceName, wantedVersion: version };
    return { broker, backend, target, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
