import { rmSync } from 'node:fs';
import {
  ServerProcess,
  type BackendProcessCounts,
  type BrokerProcessCounts,
} from '../../src/testing/spawned-system.js';
import { SERVICE, VERSION } from './talk.js';
import { endpointIn } from './endpoints.js';

/** Options of {@link ProcessSystem.start}. */
export interface ProcessSystemOptions {
  /** For all sockets; it must exist. */
  readonly directory: string;
  readonly backlog?: number;
  readonly handoff?: 'accept' | 'reject' | 'none';
}

/**
 * A broker and an echo backend as processes whose endpoints stay the same when they die and are started
 * again.
 */
export class ProcessSystem {
  readonly target;
  readonly backendEndpoint: string;
  readonly #options: ProcessSystemOptions;
  #broker: ServerProcess<BrokerProcessCounts> | undefined;
  #backend: ServerProcess<BackendProcessCounts> | undefined;

  private constructor(options: ProcessSystemOptions) {
    this.#options = options;
    this.target = {
      brokerEndpoint: endpointIn(options.directory, 'broker'),
      serviceName: SERVICE,
      wantedVersion: VERSION,
    };
    this.backendEndpoint = endpointIn(options.directory, 'backend');
  }

  static async start(options: ProcessSystemOptions): Promise<ProcessSystem> {
    const system = new ProcessSystem(options);
    await system.startBackend();
    await system.startBroker();
    return system;
  }

  get broker(): ServerProcess<BrokerProcessCounts> {
    if (this.#broker === undefined) throw new Error('no broker has been started');
    return this.#broker;
  }

  get backend(): ServerProcess<BackendProcessCounts> {
    if (this.#backend === undefined) throw new Error('no backend has been started');
    return this.#backend;
  }

  /** Starts a broker in the place of one that is dead, whose socket file is in the way. */
  async startBroker(): Promise<void> {
    const { directory, backlog, handoff = 'none' } = this.#options;
    const { brokerEndpoint: endpoint } = this.target;
    rmSync(endpoint, { recursive: true, force: true });
    const service = {
      endpoint: this.backendEndpoint,
      version: VERSION,
      ...(handoff !== 'none' && { handoffEndpoint: this.#handoffEndpoint }),
    };
    this.#broker = await ServerProcess.start({
      role: 'broker',
      directory,
      endpoint,
      services: { [SERVICE]: service },
      ...(backlog !== undefined && { backlog }),
    });
  }

  /** Starts a backend in the place of one that is dead. */
  async startBackend(): Promise<void> {
    const { directory, backlog, handoff = 'none' } = this.#options;
    for (const file of [this.backendEndpoint, this.#handoffEndpoint]) rmSync(file, { force: true });
    this.#backend = await ServerProcess.start({
      role: 'backend',
      directory,
      endpoint: this.backendEndpoint,
      handoff,
      ...(handoff !== 'none' && { handoffEndpoint: this.#handoffEndpoint }),
      ...(backlog !== undefined && { backlog }),
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#broker?.stop(), this.#backend?.stop()]);
    // A killed process has left its files.
    for (const file of [this.target.brokerEndpoint, this.backendEndpoint, this.#handoffEndpoint])
      rmSync(file, { recursive: true, force: true });
  }

  get #handoffEndpoint(): string {
    return endpointIn(this.#options.directory, 'handoff');
  }
}
