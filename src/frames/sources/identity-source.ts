import { systemClock } from '../../clock.js';
import { probe } from '../../identity/probe.js';
import { readIdentity } from '../../identity/read-identity.js';
import { verifyProcess } from '../../identity/verify-process.js';
import type { EndpointTrust } from '../../os/endpoint-trust.js';
import type { SessionTarget } from '../session-errors.js';
import type { ConnectionSource, HeldConnection } from './connection-source.js';
import { dialTrusted, IDLE_MS, ownConnection } from './endpoint-source.js';

/**
 * Connections to the backend that an identity file names, without a broker (S-80). The file is read, and the
 * process probed, for each connection: a backend that has restarted is found again, and another program at its
 * endpoint is not taken for it.
 */
export class IdentitySource implements ConnectionSource {
  readonly isShared = false;
  readonly idleMs = IDLE_MS;
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
    const identity = await readIdentity(this.#path);
    await verifyProcess(identity);
    const { path: endpoint = '' } = identity.ipcEndpoint ?? {};
    const timeoutMs = this.#probeTimeoutMs;
    const deadlineMs = systemClock.now() + timeoutMs;
    const socket = await dialTrusted(endpoint, this.#trust, signal, timeoutMs);
    try {
      await probe(socket, identity, { deadlineMs, timeoutMs, signal });
    } catch (error) {
      socket.on('error', () => {}).destroy();
      throw error;
    }
    return ownConnection(socket, endpoint);
  }
}
