import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { errorFromFailure } from '../errors.js';
import { connectWithin } from '../negotiation/sockets/dial.js';
import { loadedNative } from '../os/native.js';
import { enterContext } from '../os/socket-handle.js';
import { checkEndpoint } from '../endpoint.js';
import { checkDurationMs, checkSignal, orDefault, rejectUnknownOptions } from '../validation.js';
import { explaining } from './explaining.js';

/** Options of {@link connectLocalSocket}. */
export interface ConnectLocalSocketOptions {
  /** How long to keep trying, in milliseconds. @default 30000 */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
const ABORTED = 'the connect was aborted';

/**
 * Connects to a path, a Linux abstract name (beginning with NUL) or a Windows pipe name. A listener whose
 * backlog is full is tried again until the time is up.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, `BACKEND_CONNECT` with the system's error as its cause,
 * `TIMEOUT` (phase `connect`), `ABORTED`.
 */
export async function connectLocalSocket(
  endpoint: string,
  options: ConnectLocalSocketOptions = {},
): Promise<Socket> {
  rejectUnknownOptions('options', options, ['timeoutMs', 'signal']);
  const path = checkEndpoint('endpoint', endpoint);
  const timeoutMs = checkDurationMs('timeoutMs', orDefault(options.timeoutMs, TIMEOUT_MS));
  const signal = options.signal === undefined ? undefined : checkSignal('signal', options.signal);
  return await explaining({ brokerEndpoint: path, signal, aborted: ABORTED }, () =>
    connectOnce(path, timeoutMs, signal),
  );
}

async function connectOnce(
  path: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const options = { endpoint: path, timeoutMs, clock: systemClock };
  const outcome = await connectWithin(loadedNative(), options, signal, ABORTED);
  switch (outcome.kind) {
    case 'connected':
      // An attempt that came after a pause was made in no context.
      enterContext(outcome.socket);
      return outcome.socket;
    case 'timeout':
      throw errorFromFailure(outcome.failure);
    case 'refused':
      throw errorFromFailure({
        code: 'BACKEND_CONNECT',
        message: `failed to connect: ${outcome.system.message}`,
        endpoint: path,
        system: outcome.system,
      });
  }
}
