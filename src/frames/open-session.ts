import { brokerDisabledByEnv } from '../client/environment.js';
import { checkEndpoint } from '../endpoint.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { ownTrust } from '../os/endpoint-trust.js';
import { described, rejectUnknownOptions } from '../validation.js';
import { checkSessionOptions, type SessionOptions, type SessionSettings } from './options.js';
import { Session } from './session.js';
import type { ConnectionSource } from './sources/connection-source.js';
import { EndpointSource } from './sources/endpoint-source.js';
import { PoolSource, type LeasingPool } from './sources/pool-source.js';

/** A backend that is reached without a broker. */
export interface DirectTarget {
  /** Where the backend listens. */
  readonly endpoint: string;
}

/**
 * Opens a session: requests and answers over leases of a pool, or over connections of its own to an endpoint.
 * Nothing is connected before the first request.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option; with a pool `BROKER_DISABLED` where
 * `RUNNING_PROCESS_DISABLE` is 1, and `BROKER_DISABLE_ENV` where it is anything else but unset
 */
export function openSession(target: LeasingPool | DirectTarget, options: SessionOptions): Session {
  const settings = checkSessionOptions(options);
  return new Session(sourceOf(target, settings), settings);
}

function sourceOf(target: LeasingPool | DirectTarget, settings: SessionSettings): ConnectionSource {
  const { trust = ownTrust(), serviceName, wantedVersion } = settings;
  if (isPool(target)) {
    refuse(settings, ['trust'], 'has no effect with a pool, which has an option trust of its own');
    // S-40: before anything else.
    if (brokerDisabledByEnv())
      throw new BrokerPoolError(
        'BROKER_DISABLED',
        'the broker is disabled via RUNNING_PROCESS_DISABLE=1: open the session with an endpoint or an identity file',
      );
    return new PoolSource(target, { serviceName, wantedVersion });
  }
  refuse(settings, ['serviceName', 'wantedVersion'], 'has no effect without a pool');
  rejectUnknownOptions('target', target, ['endpoint']);
  return new EndpointSource(checkEndpoint('target.endpoint', target.endpoint), trust);
}

function refuse(settings: SessionSettings, names: readonly (keyof SessionSettings)[], problem: string): void {
  for (const name of names) if (settings[name] !== undefined) throw invalidArgument(name, problem);
}

function isPool(target: unknown): target is LeasingPool {
  if (typeof target !== 'object' || target === null)
    throw invalidArgument('target', `must be a pool or an object, got ${described(target)}`);
  return typeof Reflect.get(target, 'acquire') === 'function';
}
