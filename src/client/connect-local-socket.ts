import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { errorFromFailure } from '../errors.js';
import { connectWithin } from '../negotiation/sockets/dial.js';
import { loadedNative } from '../os/native.js';
import { enterContext } from '../os/socket-handle.js';
import { checkEndpoint } from '../endpoint.js';
import { duration, readOptions, type OptionsOf } from '../option-table.js';
import { cancelOptions } from '../broker-options/common-options.js';
import { runOneShot } from './one-shot-call.js';

const localSocketOptions = {
  /** How long to keep trying, in milliseconds. @default 30000 */
  timeoutMs: duration(30_000),
};

export const allLocalSocketOptions = { ...localSocketOptions, ...cancelOptions };

/** Options of {@link connectLocalSocket}. */
export interface ConnectLocalSocketOptions
  extends OptionsOf<typeof localSocketOptions>, OptionsOf<typeof cancelOptions> {}

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
  const path = checkEndpoint('endpoint', endpoint);
  const { timeoutMs, signal } = readOptions(allLocalSocketOptions, options);
  return await runOneShot({ brokerEndpoint: path, signal, aborted: ABORTED }, () =>
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
