import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { connectFor } from './connector-callback.js';
import { LateSocket } from './late-socket.js';
import { checkPoolAndTarget } from './pool-arguments.js';

/** Connects for libraries that take a function for that. The hosts and ports that they pass are not used. */
export interface ConnectionFactory {
  /** Hands out the socket itself, as soon as it is there: for `http.request` and ws. */
  (options: object, callback: (error: Error | null, socket: Socket) => void): undefined;
  /**
   * Hands out a stream at once, which connects later and emits `connect` then: for the option `stream` of pg and
   * mysql2.
   */
  (options?: object): Duplex;
}

/**
 * The option `createConnection` of `http.request` and ws, and `stream` of pg and mysql2: connections are detached
 * sockets of a pool, and count against its limits until the library closes them.
 *
 * @param target the service and version to reach, where they are not those of the pool
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`
 */
export function createConnection(pool: LeasingPool, target?: TargetOptions): ConnectionFactory {
  const checked = checkPoolAndTarget(pool, target);
  function create(options: object, callback: (error: Error | null, socket: Socket) => void): undefined;
  function create(options?: object): Duplex;
  function create(
    _options?: object,
    callback?: (error: Error | null, socket: Socket) => void,
  ): Duplex | undefined {
    if (callback === undefined) return new LateSocket(pool, checked);
    const settle = (...outcome: [null, Socket] | [Error, null]): void =>
      void Reflect.apply(callback, undefined, outcome);
    void connectFor(settle, pool, checked);
    return undefined;
  }
  return create;
}
