import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { outOfContext } from '../../../async-context.js';
import { BrokerPoolError } from '../../../errors.js';
import { loadDescriptorCalls, type DescriptorCalls } from '../../../os/descriptors.js';
import type { SharedDefaults } from '../protocol.js';
import { HostPort, type PoolToShare } from './host-port.js';

/** The pool's side of sharing: one {@link HostPort} for each port. */
export class SharingHost {
  readonly #pool: PoolToShare;
  readonly #defaults: SharedDefaults;
  readonly #calls: DescriptorCalls;
  readonly #ports = new Set<HostPort>();

  /** @throws {BrokerPoolError} `WORKER_FAILED` where descriptors cannot cross threads */
  constructor(pool: PoolToShare, defaults: SharedDefaults) {
    const calls = loadDescriptorCalls();
    if (calls === undefined) {
      const needs = 'that needs Linux or macOS, and koffi (BROKER_POOL_FFI=0 switches it off)';
      throw new BrokerPoolError(
        'WORKER_FAILED',
        `connections cannot be shared between threads here: ${needs}`,
      );
    }
    this.#pool = pool;
    const { acquireTimeoutMs, brokerEndpoint, serviceName, wantedVersion } = defaults;
    this.#defaults = { acquireTimeoutMs, brokerEndpoint, serviceName, wantedVersion };
    this.#calls = calls;
  }

  /** A port for one other thread. */
  open(): MessagePort {
    // A port runs its callbacks in the context in which it is made.
    return outOfContext(() => {
      const { port1, port2 } = new MessageChannel();
      const port = new HostPort(port1, this.#calls, this.#pool, this.#defaults);
      this.#ports.add(port);
      port1.on('close', () => this.#ports.delete(port));
      return port2;
    });
  }

  /** The pool has ended, and closed its connections. */
  end(reason: BrokerPoolError): void {
    for (const port of this.#ports) port.end(reason);
  }
}
