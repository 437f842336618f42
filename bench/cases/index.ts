import type { BenchCase } from '../harness/case.js';
import { acquireRelease } from './acquire-release.js';
import { backlogBursts } from './backlog-bursts.js';
import { busyLoop } from './busy-loop.js';
import { coldStart } from './cold-start.js';
import { connectLatency } from './connect-latency.js';
import { endToEnd } from './end-to-end.js';
import { growth } from './growth.js';
import { idleConnections } from './idle-connections.js';
import { stuckWaits } from './stuck-waits.js';

/** All benches, in the order in which they run. */
export const cases: readonly BenchCase[] = [
  connectLatency,
  busyLoop,
  stuckWaits,
  backlogBursts,
  acquireRelease,
  growth,
  idleConnections,
  coldStart,
  endToEnd,
];
