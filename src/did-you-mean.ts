/** Names of other pools, generic-pool and tarn before all, and short names; the first option that fits is meant. */
const ELSEWHERE: ReadonlyMap<string, readonly string[]> = new Map([
  ['acquireTimeoutMillis', ['acquireTimeoutMs']],
  ['connectTimeout', ['acquireTimeoutMs', 'roundTripTimeoutMs', 'timeoutMs']],
  ['connectTimeoutMs', ['acquireTimeoutMs', 'roundTripTimeoutMs', 'timeoutMs']],
  ['connectionTimeoutMillis', ['acquireTimeoutMs']],
  ['createRetryIntervalMillis', ['retry']],
  ['createTimeoutMillis', ['roundTripTimeoutMs']],
  ['endpoint', ['brokerEndpoint']],
  ['evictionRunIntervalMillis', ['idleTimeoutMs']],
  ['idleTimeoutMillis', ['idleTimeoutMs']],
  ['maxConnections', ['max', 'connections']],
  ['maxLifetimeSeconds', ['maxLifetimeMs']],
  ['maxSize', ['max']],
  ['maxSockets', ['max']],
  ['maxWaitingClients', ['maxWaiting']],
  ['minConnections', ['min']],
  ['minSize', ['min']],
  ['poolSize', ['max', 'connections']],
  ['propagateCreateError', ['retry']],
  ['reapIntervalMillis', ['idleTimeoutMs']],
  ['service', ['serviceName']],
  ['size', ['max', 'connections']],
  ['softIdleTimeoutMillis', ['idleTimeoutMs']],
  ['testOnBorrow', ['validate']],
  ['timeout', ['timeoutMs', 'acquireTimeoutMs', 'roundTripTimeoutMs']],
  ['version', ['wantedVersion']],
]);

/**
 * The end of a message about an unknown name: the name that was meant, if `name` is an obvious misspelling of
 * it, or the name of another pool's option.
 */
export function didYouMean(name: string, knownNames: readonly string[]): string {
  const ours = ELSEWHERE.get(name)?.find((each) => knownNames.includes(each));
  const nearest = ours ?? nearestName(name, knownNames);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** The one known name within two edits, letter case aside; of two equally near ones neither is obvious. */
function nearestName(name: string, knownNames: readonly string[]): string | undefined {
  let nearest: string | undefined;
  // Two edits of a short name would leave hardly a letter.
  let best = Math.min(2, Math.floor(name.length / 2)) + 1;
  for (const known of knownNames) {
    const edits = editDistance(name.toLowerCase(), known.toLowerCase());
    if (edits > best) continue;
    nearest = edits < best ? known : undefined;
    best = edits;
  }
  return nearest;
}

/** How many letters must be inserted, deleted or replaced to turn one word into the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 0; row < from.length; row++) {
    const current = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const replaced = above[column]! + (from[row] === to[column] ? 0 : 1);
      current.push(Math.min(replaced, above[column + 1]! + 1, current[column]! + 1));
    }
    above = current;
  }
  return above[to.length]!;
}
