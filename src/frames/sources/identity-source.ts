import { connectByIdentity } from '../../identity/connect-by-identity.js';
import type { EndpointTrust } from '../../os/endpoint-trust.js';
import type { SessionTarget } from '../session-errors.js';
import type { ConnectionSource, HeldConnection } from './connection-source.js';
import { dialTrusted, IDLE_MS, ownConnection } from './endpoint-source.js';

/**
 * Connections to the backend that an identity file names, without a broker. The file is read, and the process
 * probed, for each connection: a backend that has restarted is found again, and another program at its endpoint
 * is not taken for it.
 */
export class IdentitySource implements ConnectionSource {
  readonly isShared = false;
  readonly idleMs = IDLE_MS;
  readonly holdMs = Infinity;
  readonly target: SessionTarget = {};
  readonly #path: string;
  readonly #trust: EndpointTrust;
  readonly #probeTimeoutMs: number;

  constructor(path: string, trust: EndpointTrust, probeTimeoutMs: number) {
    this.#path = path;
    this.#trust = trust;
    this.#probeTimeoutMs = probeTimeoutMs;
  }

  async open(signal: AbortSignal): Promise<HeldConnection> {
    const timeoutMs = this.#probeTimeoutMs;
    const { socket, endpoint } = await connectByIdentity(this.#path, {
      dial: (path) => dialTrusted(path, this.#trust, signal, timeoutMs),
      timeoutMs,
      signal,
      keepAlive: true,
    });
    return ownConnection(socket, endpoint);
  }
}
