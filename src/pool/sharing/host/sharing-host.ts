import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { outOfContext } from '../../../async-context.js';
import { BrokerPoolError } from '../../../errors.js';
import { loadDescriptorCalls, type DescriptorCalls } from '../../../os/descriptors.js';
import type { PooledConnection } from '../../pooled-connection.js';
import { HostConnection } from './host-connection.js';
import { HostPort, type PoolToShare } from './host-port.js';

/** The pool's side of sharing: one {@link HostPort} for each port, and what is lent to whom. */
export class SharingHost {
  readonly #pool: PoolToShare;
  readonly #acquireTimeoutMs: number;
  readonly #calls: DescriptorCalls;
  readonly #clients = new Set<HostPort>();
  readonly #lent = new WeakMap<PooledConnection, HostConnection>();

  /** @throws {BrokerPoolError} `WORKER_FAILED` where descriptors cannot cross threads */
  constructor(pool: PoolToShare, acquireTimeoutMs: number) {
    const calls = loadDescriptorCalls();
    if (calls === undefined) {
      const message =
        'connections cannot be shared between threads here: that needs Linux or macOS, and koffi (BROKER_POOL_FFI=0 switches it off)';
      throw new BrokerPoolError('WORKER_FAILED', message);
    }
    this.#pool = pool;
    this.#acquireTimeoutMs = acquireTimeoutMs;
    this.#calls = calls;
  }

  /** A port for one other thread. */
  open(): MessagePort {
    // Ports run in the context in which they are made.
    return outOfContext(() => this.#open());
  }

  #open(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const client = new HostPort(port1, this.#calls, {
      pool: this.#pool,
      acquireTimeoutMs: this.#acquireTimeoutMs,
      hostConnection: (connection) => this.#hostConnection(connection),
      onClosed: () => this.#clients.delete(client),
    });
    this.#clients.add(client);
    return port2;
  }

  /** The pool has ended, and closed its connections. */
  end(reason: BrokerPoolError): void {
    for (const client of this.#clients) client.end(reason);
  }

  #hostConnection(connection: PooledConnection): HostConnection {
    let lent = this.#lent.get(connection);
    if (lent === undefined) {
      lent = new HostConnection(connection, this.#calls);
      this.#lent.set(connection, lent);
    }
    return lent;
  }
}
