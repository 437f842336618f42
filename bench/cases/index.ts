import type { BenchCase } from '../harness/case.js';
import { acquireRelease } from './acquire-release.js';
import { backendHandoffs } from './backend-handoffs.js';
import { backendRequests } from './backend-requests.js';
import { backlogBursts } from './backlog-bursts.js';
import { builds } from './builds.js';
import { busyLoop } from './busy-loop.js';
import { coldStart } from './cold-start.js';
import { connectLatency } from './connect-latency.js';
import { endToEnd } from './end-to-end.js';
import { frameCodec } from './frame-codec.js';
import { growth } from './growth.js';
import { handoffEndpoint } from './handoff-endpoint.js';
import { httpRequests } from './http-requests.js';
import { idleConnections } from './idle-connections.js';
import { observing } from './observing.js';
import { otherNode } from './other-node.js';
import { sessionLarge } from './session-large.js';
import { sessionLeases } from './session-leases.js';
import { sessionMemory } from './session-memory.js';
import { sessionRequests } from './session-requests.js';
import { sharedAcquire } from './shared-acquire.js';
import { stuckWaits } from './stuck-waits.js';
import { withoutRing } from './without-ring.js';

export { builds };

/** All benches of one build, in the order in which they run. */
export const cases: readonly BenchCase[] = [
  connectLatency,
  handoffEndpoint,
  withoutRing,
  otherNode,
  busyLoop,
  stuckWaits,
  backlogBursts,
  acquireRelease,
  sharedAcquire,
  observing,
  growth,
  idleConnections,
  coldStart,
  endToEnd,
  frameCodec,
  sessionRequests,
  sessionLeases,
  sessionLarge,
  sessionMemory,
  httpRequests,
  backendRequests,
  backendHandoffs,
];
