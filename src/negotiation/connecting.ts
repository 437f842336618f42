import type { Failure, SystemFailure } from '../errors.js';
import { printableEndpoint, systemFailure } from '../os/errno.js';
import type { SystemCalls } from '../os/native.js';
import { encodeAddress } from '../os/socket.js';
import type { Job } from './job.js';

/**
 * A full backlog fails a non-blocking connect with EAGAIN, and there is nothing to poll for. The first tries follow
 * quickly, because a listener that accepts at all makes room within microseconds.
 */
export const FIRST_RETRY_MS = 0.5;
export const LONGEST_RETRY_MS = 16;

/** How {@link connectAndSend} ended; `sent` is what the send returned. */
export type SendAttempt =
  | { readonly descriptor: number; readonly sent: number }
  | { readonly descriptor: undefined; readonly syscall: 'socket' | 'connect'; readonly result: number };

/** Connects and sends with nothing in between (V-21). Without a connection nothing is left open. */
export function connectAndSend(system: SystemCalls, endpoint: string, request: Uint8Array): SendAttempt {
  const address = encodeAddress(endpoint);
  const descriptor = system.openSocket();
  if (descriptor < 0) return { descriptor: undefined, syscall: 'socket', result: descriptor };
  const connected = system.connect(descriptor, address);
  if (connected >= 0) return { descriptor, sent: system.send(descriptor, request) };
  system.close(descriptor);
  return { descriptor: undefined, syscall: 'connect', result: connected };
}

/** A connect that the system refused (C-18, C-30). */
export function connectFailure(atBackend: boolean, endpoint: string, system: SystemFailure): Failure {
  return atBackend
    ? { code: 'BACKEND_CONNECT', message: `failed to connect to negotiated backend: ${system.message}`, endpoint, system }
    : { code: 'BROKER_CONNECT', message: `failed to connect to broker: ${system.message}`, endpoint, system };
}

/** A connect that found no room in the listener's backlog until its deadline. */
export function backlogFailure(endpoint: string, timeoutMs: number): Failure {
  const message = `connect to ${printableEndpoint(endpoint)} timed out after ${timeoutMs} ms: its backlog stayed full`;
  return { code: 'TIMEOUT', phase: 'connect', message, endpoint };
}

/**
 * A request that could not be sent as a whole. A fresh socket takes far more than any request of ours, so a part sent means
 * that something is wrong with the connection, not that one should wait.
 */
export function sendFailure(sent: number, endpoint: string): SystemFailure {
  if (sent < 0) return systemFailure('send', sent, endpoint);
  return { code: 'EMSGSIZE', syscall: 'send', message: `send took only ${sent} bytes of the request ${printableEndpoint(endpoint)}` };
}

/** The failure of a job whose owner lost interest. */
export function abandonedFailure(job: Job): Failure {
  return { code: 'ABORTED', message: 'given up by its owner', endpoint: job.brokerEndpoint };
}
