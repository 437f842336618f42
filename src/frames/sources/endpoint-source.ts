import type { Socket } from 'node:net';
import { systemClock } from '../../clock.js';
import { errorFromFailure } from '../../errors.js';
import { connectWithin, dialFailure } from '../../negotiation/sockets/dial.js';
import type { EndpointTrust } from '../../os/endpoint-trust.js';
import { loadNative } from '../../os/native.js';
import type { SessionTarget } from '../session-errors.js';
import type { ConnectionSource, HeldConnection } from './connection-source.js';

/** How long a connection is kept without requests, in milliseconds. */
export const IDLE_MS = 30_000;
/** The time for a dial, in milliseconds. */
const DIAL_MS = 30_000;

/** Dials an endpoint whose user is trusted. */
export async function dialTrusted(
  endpoint: string,
  trust: EndpointTrust,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Socket> {
  const options = { endpoint, timeoutMs, clock: systemClock, trust };
  const outcome = await connectWithin(loadNative(), options, signal, 'the connect was aborted');
  if (outcome.kind === 'connected') return outcome.socket;
  throw errorFromFailure(dialFailure('backend', endpoint, outcome));
}

/** A connection of the session's own. */
export function ownConnection(socket: Socket, endpoint: string): HeldConnection {
  // Once the session has let go, an error has no other listener.
  socket.on('error', () => {});
  const close = (): void => void socket.destroy();
  return { socket, endpoint, isWanted: false, giveBack: close, destroy: close };
}

/** Connections to an endpoint, without a broker. */
export class EndpointSource implements ConnectionSource {
  readonly isShared = false;
  readonly idleMs = IDLE_MS;
  readonly holdMs = Infinity;
  readonly target: SessionTarget;
  readonly #endpoint: string;
  readonly #trust: EndpointTrust;

  constructor(endpoint: string, trust: EndpointTrust) {
    this.target = { endpoint };
    this.#endpoint = endpoint;
    this.#trust = trust;
  }

  async open(signal: AbortSignal, timeoutMs = DIAL_MS): Promise<HeldConnection> {
    return ownConnection(await dialTrusted(this.#endpoint, this.#trust, signal, timeoutMs), this.#endpoint);
  }
}
