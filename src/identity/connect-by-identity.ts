import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { BrokerPoolError, fieldsOf } from '../errors.js';
import type { DaemonProcess } from '../wire/messages.js';
import { probe } from './probe.js';
import { readIdentity } from './read-identity.js';
import { verifyProcess } from './verify-process.js';

/** How to connect to the backend of an identity file. */
export interface IdentityConnect {
  /** Dials the endpoint in the file, and checks the user behind it. */
  dial(this: void, endpoint: string): Promise<Socket>;
  /** Limit for the dial and the answer to the probe together, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Keep the process alive until the probe is answered. */
  readonly keepAlive: boolean;
}

/** A connection whose process has been compared with an identity file. */
export interface IdentifiedConnection {
  /** Paused. */
  readonly socket: Socket;
  readonly endpoint: string;
}

/**
 * Connects to the backend that an identity file names, without a broker (S-80): reads the file, compares it with the
 * process, dials the endpoint, and probes.
 *
 * @throws {BrokerPoolError} `IDENTITY_FILE`, `IDENTITY_MISMATCH`, the errors of the dial, and those of a probe
 */
export async function connectByIdentity(
  path: string,
  options: IdentityConnect,
): Promise<IdentifiedConnection> {
  const identity = readIdentity(path);
  const { path: endpoint = '' } = identity.ipcEndpoint ?? {};
  try {
    await verifyProcess(identity);
    return { socket: await dialAndProbe(identity, endpoint, options), endpoint };
  } catch (error) {
    // Each error names the endpoint, also one of the identity file or the probe.
    throw error instanceof BrokerPoolError
      ? new BrokerPoolError(error.code, error.message, {
          ...fieldsOf(error),
          endpoint: error.endpoint ?? endpoint,
          cause: error.cause,
        })
      : error;
  }
}

async function dialAndProbe(
  identity: DaemonProcess,
  endpoint: string,
  { dial, timeoutMs, signal, keepAlive }: IdentityConnect,
): Promise<Socket> {
  const deadlineMs = systemClock.now() + timeoutMs;
  const socket = await dial(endpoint);
  if (!keepAlive) socket.unref();
  try {
    await probe(socket, identity, { deadlineMs, timeoutMs, signal, keepAlive });
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw error;
  }
  socket.ref();
  return socket;
}
