import { connectToBackend } from '../../client/connect.js';
import { openSession } from '../../frames/index.js';
import { BrokerPool } from '../../broker-pool.js';
import type { TrustOptions } from '../../trust-option.js';
import { CommandFailure } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { helloSkips, idleLeases, negotiatedConnects, requests, type Measure } from './measures.js';

/** How often a pool may ask the broker again for an endpoint that it remembers. */
const SPARE_HELLOS = 20;

/** The subject of a measurement. */
export interface BenchOptions {
  readonly target: {
    readonly serviceName: string;
    readonly wantedVersion: string;
    readonly brokerEndpoint?: string;
    readonly trust?: TrustOptions;
  };
  readonly hellos: number;
  readonly count: number;
  readonly concurrency: number;
  /** Limit for each call. */
  readonly timeoutMs: number;
  /** Without one, no requests are measured. */
  readonly payloadProtocol: number | undefined;
  readonly payload: Uint8Array;
  readonly signal: AbortSignal;
}

/** A bench that is ready to begin. */
export interface OpenBench {
  readonly endpoint: string;
  readonly measures: readonly Measure[];
  /** Throws when the broker has got more Hellos than it was to get. */
  readonly check: () => void;
  readonly close: () => Promise<void>;
}

/** Connects once, unmeasured, so that all modules are loaded, and opens the connections for the measures. */
export async function openBench(options: BenchOptions): Promise<OpenBench> {
  const { target, count, payloadProtocol, timeoutMs, signal } = options;
  const { socket, endpoint } = await connectToBackend({ ...target, roundTripTimeoutMs: timeoutMs, signal });
  socket.destroy();
  // Without retries: a second try would count as one slow connect.
  const limits = {
    max: 1,
    acquireTimeoutMs: timeoutMs,
    roundTripTimeoutMs: timeoutMs,
    retry: false,
  } as const;
  const remembering = new BrokerPool({ ...target, ...limits });
  const negotiating = new BrokerPool({ ...target, ...limits, endpointCache: false });
  const session =
    payloadProtocol === undefined
      ? undefined
      : openSession(remembering, { payloadProtocol, connections: 1, timeoutMs });
  const measures = [
    negotiatedConnects(negotiating, options.hellos, signal),
    helloSkips(remembering, count, signal),
    idleLeases(remembering, count, signal),
  ];
  if (session !== undefined) measures.push(requests(session, options.payload, options));
  const close = async (): Promise<void> => {
    await session?.close({ timeoutMs: 0 });
    await Promise.all([remembering.close({ timeoutMs: 0 }), negotiating.close({ timeoutMs: 0 })]);
  };
  const check = helloGuard(remembering);
  try {
    // From here on it remembers the endpoint.
    (await remembering.acquire({ signal })).destroy();
  } catch (error) {
    await close();
    throw error;
  }
  return { endpoint, measures, check, close };
}

/**
 * Counts the Hellos of a pool that remembers its endpoint. A backend that closes connections early makes the
 * endpoint doubtful, and the pool then asks the broker each time.
 */
function helloGuard(pool: BrokerPool): () => void {
  let hellos = 0;
  pool.on('connectionReady', ({ route }) => {
    if (route !== 'hello-skip') hellos += 1;
  });
  return () => {
    if (hellos <= SPARE_HELLOS) return;
    throw new CommandFailure(
      `the broker had to be asked ${hellos} times for one endpoint: the backend closes connections early. See its log.`,
      ExitCode.BROKEN_ANSWER,
    );
  };
}
