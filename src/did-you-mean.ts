/** Options of other pools, generic-pool and tarn before all, and the options that do the same here. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['acquireTimeoutMillis', 'acquireTimeoutMs'],
  ['connectionTimeoutMillis', 'acquireTimeoutMs'],
  ['createRetryIntervalMillis', 'retry'],
  ['createTimeoutMillis', 'roundTripTimeoutMs'],
  ['evictionRunIntervalMillis', 'idleTimeoutMs'],
  ['idleTimeoutMillis', 'idleTimeoutMs'],
  ['maxConnections', 'max'],
  ['maxLifetimeSeconds', 'maxLifetimeMs'],
  ['maxSockets', 'max'],
  ['maxWaitingClients', 'maxWaiting'],
  ['minConnections', 'min'],
  ['propagateCreateError', 'retry'],
  ['reapIntervalMillis', 'idleTimeoutMs'],
  ['softIdleTimeoutMillis', 'idleTimeoutMs'],
  ['testOnBorrow', 'validate'],
]);

/**
 * The end of a message about an unknown name: the name that was meant, if `name` is an obvious misspelling of
 * it, or the name of another pool's option.
 */
export function didYouMean(name: string, knownNames: readonly string[]): string {
  const ours = ELSEWHERE.get(name);
  const nearest = ours !== undefined && knownNames.includes(ours) ? ours : nearestName(name, knownNames);
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
