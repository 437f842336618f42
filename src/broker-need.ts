import type { BrokerPoolFailure } from './errors.js';
import { identityFileOf, type Target } from './target.js';

type Defaults = Partial<Record<'identityFile' | 'serviceName' | 'wantedVersion', string | undefined>>;
type Names = Partial<Record<keyof Omit<Target, 'brokerEndpoint'>, string | undefined>>;
/** Why a caller of a pool has waited in vain for so long. */
type ExplainWait = (names: Names, timeoutMs: number) => BrokerPoolFailure | undefined;

const defaultsOf = new WeakMap<object, Defaults>();
const explainers = new WeakMap<object, ExplainWait>();

/**
 * Notes the target of a pool's calls that name none: for sessions, which are given the pool alone.
 *
 * @param explain for the requests of a session that time out while the session waits for the pool
 */
export function noteDefaults(pool: object, defaults: Defaults, explain?: ExplainWait): void {
  defaultsOf.set(pool, defaults);
  if (explain !== undefined) explainers.set(pool, explain);
}

/** The `TIMEOUT` of a caller that waits for a pool; `undefined` for a pool that does not tell. */
export function explainWait(pool: object, names: Names, timeoutMs: number): BrokerPoolFailure | undefined {
  return explainers.get(pool)?.(names, timeoutMs);
}

/** The names of the target that a call of a pool means, as far as the call or the pool's options give them. */
export function namesFor(pool: object, { serviceName, wantedVersion }: Names): Names {
  const defaults = defaultsOf.get(pool);
  return {
    serviceName: serviceName ?? defaults?.serviceName,
    wantedVersion: wantedVersion ?? defaults?.wantedVersion,
  };
}

/** Whether a pool asks a broker for connections to a target; an identity file makes that needless (S-80). */
export function needsBroker(pool: object, { serviceName, wantedVersion }: Names): boolean {
  const defaults = defaultsOf.get(pool);
  if (defaults === undefined) return true;
  const { serviceName: service = '', wantedVersion: version = '' } = defaults;
  const target = {
    brokerEndpoint: '',
    serviceName: serviceName ?? service,
    wantedVersion: wantedVersion ?? version,
  };
  return identityFileOf(target, defaults) === undefined;
}
