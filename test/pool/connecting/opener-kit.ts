import { setImmediate as turn } from 'node:timers/promises';
import { BrokerPoolError } from '../../../src/errors.js';
import type { Route } from '../../../src/negotiation/job.js';
import { asPoolError } from '../../../src/pool/acquire-errors.js';
import { ConnectionOpener } from '../../../src/pool/connecting/connection-opener.js';
import type { ConnectRequest, NewConnection } from '../../../src/pool/connecting/connect-request.js';
import type { OpensConnections } from '../../../src/pool/connecting/connector.js';
import type { BeforeRetry } from '../../../src/pool/connecting/retries.js';
import { EntryList } from '../../../src/pool/containers.js';
import type { BrokerPoolOptions } from '../../../src/pool/options.js';
import type { PoolEnvironment } from '../../../src/pool/pool-environment.js';
import { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { TargetLimits } from '../../../src/pool/target-limits.js';
import { targetKey } from '../../../src/target.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { FakeSocket } from '../../helpers/fake-peers.js';
import { poolEnvironment, TARGET, timelessQueue } from '../../helpers/pool-environment.js';
import { NotingOwner } from '../../helpers/pooled.js';

/** Opens connections when the test says so. */
export class FakeConnector implements OpensConnections {
  readonly requests: ConnectRequest[] = [];
  readonly beforeRetries: BeforeRetry[] = [];
  readonly retriedNow: string[] = [];
  readonly #pending: { resolve: (opened: NewConnection) => void; reject: (error: unknown) => void }[] = [];

  connect(request: ConnectRequest, _startedMs: number, beforeRetry: BeforeRetry): Promise<NewConnection> {
    this.requests.push(request);
    this.beforeRetries.push(beforeRetry);
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
  }

  retryNow(key: string): void {
    this.retriedNow.push(key);
  }

  /** The connect that began first brings a connection. */
  async succeed(route: Route = 'broker-negotiated'): Promise<FakeSocket> {
    const socket = new FakeSocket();
    this.#pending.shift()?.resolve({ socket, endpoint: FAKE_BACKEND, route });
    await turn();
    return socket;
  }

  async fail(error: unknown): Promise<void> {
    this.#pending.shift()?.reject(error);
    await turn();
  }
}

interface Stage {
  readonly entries: EntryList<PooledConnection>;
  readonly opened: PooledConnection[];
  readonly failures: BrokerPoolError[];
  pumps: number;
}

export function setUpOpener(options: BrokerPoolOptions = {}, parts: Partial<PoolEnvironment> = {}) {
  const connector = new FakeConnector();
  const environment = poolEnvironment(options, { connector, ...parts });
  const { clock, capacity, emitter } = environment;
  const entries = new EntryList<PooledConnection>();
  const stage: Stage = { entries, opened: [], failures: [], pumps: 0 };
  const queue = timelessQueue(environment);
  const { settings } = environment;
  const pump = (): void => void (stage.pumps += 1);
  const limits = new TargetLimits(settings, capacity, entries, queue, () => false, pump);
  const opener = new ConnectionOpener(TARGET, environment, limits, entries, queue, new NotingOwner(), pump);
  /** Runs a connect as the pump does. */
  const run = async (spare: boolean): Promise<void> => {
    const connect = opener.begin(spare);
    const opened = await opener.connect(connect).catch(asPoolError);
    const result = opener.finish(connect, opened);
    if (result instanceof PooledConnection) {
      entries.add(result);
      stage.opened.push(result);
      return;
    }
    stage.failures.push(result);
    if (connect.hadSlot) capacity?.release();
  };
  const open = (): boolean => {
    const mayBegin = opener.takeSlot();
    if (mayBegin) void run(false);
    return mayBegin;
  };
  const openSpare = (): boolean => {
    const mayBegin = opener.takeSpareSlot();
    if (mayBegin) void run(true);
    return mayBegin;
  };
  const key = targetKey(TARGET);
  return { clock, connector, stage, opener, key, limits, queue, emitter, open, openSpare };
}

export const DOWN = new BrokerPoolError('BROKER_CONNECT', 'down');
