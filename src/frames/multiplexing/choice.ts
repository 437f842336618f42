/** The size from which requests and answers count as large: others should not wait behind them. */
export const LARGE_BYTES = 256 * 1024;

/** A connection as the choice sees it. */
export interface Candidate {
  /** Requests on it, the unsent and the abandoned ones included. */
  readonly inFlight: number;
  /** Whether the connection takes no further request. */
  readonly isFull: boolean;
  /** A large request or a large answer is under way on it. */
  readonly isSlow: boolean;
}

/**
 * How many connections may have large requests at a time: all but one, which stays free for the small ones. A
 * single connection has to carry both.
 */
function slowLanes(connections: number): number {
  return Math.max(connections - 1, 1);
}

/**
 * The connection for the next request: among those that are not full the one with the fewest requests in flight,
 * the first of equals. A small request takes one with a large request or answer only where there is no other; a
 * large one leaves one connection to the small ones. `undefined` where the request has to wait.
 *
 * @param limit how many connections there may be
 */
export function chooseConnection<C extends Candidate>(
  candidates: readonly C[],
  isLarge: boolean,
  limit: number,
): C | undefined {
  const mayAddSlow = !isLarge || candidates.filter(({ isSlow }) => isSlow).length < slowLanes(limit);
  let best: C | undefined;
  for (const candidate of candidates) {
    if (candidate.isFull || (!candidate.isSlow && !mayAddSlow)) continue;
    if (best === undefined || isBetter(candidate, best, isLarge)) best = candidate;
  }
  return best;
}

function isBetter(one: Candidate, other: Candidate, isLarge: boolean): boolean {
  if (!isLarge && one.isSlow !== other.isSlow) return other.isSlow;
  return one.inFlight < other.inFlight;
}
