import { brokerDisabledByEnv } from '../broker-options/environment.js';
import { checkEndpoint } from '../endpoint.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { ownTrust } from '../os/endpoint-trust.js';
import { needsBroker } from '../broker-need.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import { checkAbsolutePath, described, rejectUnknownOptions } from '../validation.js';
import { checkSessionOptions, type SessionOptions, type SessionSettings } from './options.js';
import { Session } from './session.js';
import type { ConnectionSource } from './sources/connection-source.js';
import { EndpointSource } from './sources/endpoint-source.js';
import { IdentitySource } from './sources/identity-source.js';
import { PoolSource } from './sources/pool-source.js';

/** A backend that is reached without a broker: by its endpoint, or by the identity file that it has written. */
export type DirectTarget =
  | {
      /** Where the backend listens. */
      readonly endpoint: string;
    }
  | {
      /** Absolute path. The backend behind the endpoint is compared with the identity in it. */
      readonly identityFile: string;
    };

/** The limit of a probe, in milliseconds, as in upstream. */
const PROBE_MS = 500;

/**
 * Opens a session: requests and answers over leases of a pool, or over connections of its own to a backend.
 * Nothing is connected before the first request.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option; with a pool that needs a broker `BROKER_DISABLED`
 * where `RUNNING_PROCESS_DISABLE` is 1, and `BROKER_DISABLE_ENV` where it is anything else but unset
 */
export function openSession(target: LeasingPool | DirectTarget, options: SessionOptions): Session {
  const settings = checkSessionOptions(options);
  return new Session(sourceOf(target, settings), settings);
}

function sourceOf(target: LeasingPool | DirectTarget, settings: SessionSettings): ConnectionSource {
  const { trust = ownTrust(), serviceName, wantedVersion } = settings;
  if (isPool(target)) {
    refuse(settings, ['trust'], 'has no effect with a pool, which has an option trust of its own');
    refuse(settings, ['probeTimeoutMs'], 'has no effect with a pool');
    // S-40: looked at first. A user who has switched the broker off must get no connection through one.
    if (needsBroker(target, { serviceName, wantedVersion }) && brokerDisabledByEnv())
      throw new BrokerPoolError(
        'BROKER_DISABLED',
        'the broker is disabled via RUNNING_PROCESS_DISABLE=1: unset it, or open the session with an endpoint or an ' +
          'identity file',
      );
    return new PoolSource(target, { serviceName, wantedVersion });
  }
  refuse(settings, ['serviceName', 'wantedVersion'], 'has no effect without a pool');
  rejectUnknownOptions('target', target, ['endpoint', 'identityFile']);
  const { endpoint, identityFile }: { readonly endpoint?: unknown; readonly identityFile?: unknown } = target;
  if (identityFile !== undefined) {
    if (endpoint !== undefined)
      throw invalidArgument('target', 'has both endpoint and identityFile: give one of them');
    const path = checkAbsolutePath('target.identityFile', identityFile);
    return new IdentitySource(path, trust, settings.probeTimeoutMs ?? PROBE_MS);
  }
  refuse(settings, ['probeTimeoutMs'], 'has no effect without an identity file');
  return new EndpointSource(checkEndpoint('target.endpoint', endpoint), trust);
}

function refuse(settings: SessionSettings, names: readonly (keyof SessionSettings)[], problem: string): void {
  for (const name of names) if (settings[name] !== undefined) throw invalidArgument(name, problem);
}

function isPool(target: unknown): target is LeasingPool {
  if (typeof target === 'object' && target !== null) {
    if (typeof Reflect.get(target, 'acquire') === 'function') return true;
    if ('endpoint' in target || 'identityFile' in target) return false;
  }
  const problem = `must be a pool, { endpoint } or { identityFile }, got ${described(target)}`;
  throw invalidArgument('target', problem);
}
