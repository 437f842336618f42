import { invalidArgument } from '../errors.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { connectFor, type ConnectorCallback } from './connector-callback.js';
import { checkPoolAndTarget } from './pool-arguments.js';

/**
 * The option `connect` of undici's `Client`, `Pool` and `Agent`: their connections are detached sockets of a pool, and
 * count against its limits until undici closes them. Give undici a limit as well, `connections`, of at most the pool's
 * `max`.
 *
 * Errors of the pool reach the request as they are; `fetch` has them as the `cause` of its `TypeError`. A request to an
 * `https:` URL fails with `INVALID_ARGUMENT`: connections to backends are not encrypted.
 *
 * @param target the service and version to reach, where they are not those of the pool
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`
 */
export function undiciConnector(
  pool: LeasingPool,
  target?: TargetOptions,
): (options: object, callback: ConnectorCallback) => void {
  const checked = checkPoolAndTarget(pool, target);
  return (options, callback) => {
    if ('protocol' in options && options.protocol === 'https:')
      return callback(
        invalidArgument('protocol', 'must be http: connections to backends are not encrypted'),
        null,
      );
    void connectFor(callback, pool, checked);
  };
}
