import { identityFileOf, type Target } from './target.js';

type Defaults = Partial<Record<'identityFile' | 'serviceName' | 'wantedVersion', string | undefined>>;
type Names = Partial<Record<keyof Omit<Target, 'brokerEndpoint'>, string | undefined>>;

const defaultsOf = new WeakMap<object, Defaults>();

/** Notes what the calls of a pool mean that name nothing: for sessions, which get no more than a pool. */
export function noteDefaults(pool: object, defaults: Defaults): void {
  defaultsOf.set(pool, defaults);
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
