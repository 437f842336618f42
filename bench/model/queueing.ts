/**
 * Formulas of queues whose arrivals are random (Poisson) and whose service always takes the same time: M/D/1
 * and M/D/c.
 */

/** A broker as a queue sees it. */
export interface Queue {
  /** Servers that work at once. */
  readonly servers: number;
  /** Service time in seconds. */
  readonly serviceSeconds: number;
}

/** The share of its time that each server works; 1 and more means that the queue grows without end. */
export function utilisation({ servers, serviceSeconds }: Queue, arrivalsPerSecond: number): number {
  return (arrivalsPerSecond * serviceSeconds) / servers;
}

/** More than this a second cannot be served. */
export function capacityPerSecond({ servers, serviceSeconds }: Queue): number {
  return servers / serviceSeconds;
}

/**
 * The mean time in the queue, in seconds; Infinity at saturation. Exact for one server (Pollaczek-Khinchine),
 * for several Cosmetatos' approximation: half of the wait of M/M/c, and a correction that vanishes as the
 * load grows.
 */
export function meanWaitSeconds(queue: Queue, arrivalsPerSecond: number): number {
  const load = utilisation(queue, arrivalsPerSecond);
  if (load >= 1) return Infinity;
  if (load === 0) return 0;
  const { servers, serviceSeconds } = queue;
  const exponential = (waitProbability(servers, load) * serviceSeconds) / (servers * (1 - load));
  const correction =
    1 + ((1 - load) * (servers - 1) * (Math.sqrt(4 + 5 * servers) - 2)) / (16 * load * servers);
  return (exponential / 2) * correction;
}

/**
 * Erlang's C: how probable it is to find all servers at work. By the recursion of Erlang's B, which never
 * overflows.
 */
function waitProbability(servers: number, load: number): number {
  const offered = load * servers;
  let blocking = 1;
  for (let server = 1; server <= servers; server++)
    blocking = (offered * blocking) / (server + offered * blocking);
  return blocking / (1 - load * (1 - blocking));
}

/** Wait of the last one of a burst that arrives at once, in seconds. */
export function burstWaitSeconds({ servers, serviceSeconds }: Queue, burst: number): number {
  return Math.floor(Math.max(0, burst - 1) / servers) * serviceSeconds;
}
