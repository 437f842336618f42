/** A service and version that a broker is asked for. */
export interface Target {
  /** `''` where an identity file makes a broker needless and none is named. */
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
}

/** The identity file of the pool, where it names the backend of a target: only that of the pool's own target. */
export function identityFileOf(
  target: Target,
  pool: { readonly [Name in 'identityFile' | 'serviceName' | 'wantedVersion']?: string | undefined },
): string | undefined {
  const isOwn = target.serviceName === pool.serviceName && target.wantedVersion === pool.wantedVersion;
  return isOwn ? pool.identityFile : undefined;
}

/** One string per target. */
export function targetKey(target: Target): string {
  // Names and versions have no spaces (N-20, N-22), so no two targets share a key.
  return `${target.serviceName} ${target.wantedVersion} ${target.brokerEndpoint}`;
}

/** The parts of a key, unchecked; `undefined` unless there are three. */
export function splitTargetKey(key: string): Target | undefined {
  const first = key.indexOf(' ');
  const second = key.indexOf(' ', first + 1);
  if (first < 0 || second < 0) return undefined;
  return {
    serviceName: key.slice(0, first),
    wantedVersion: key.slice(first + 1, second),
    brokerEndpoint: key.slice(second + 1),
  };
}
