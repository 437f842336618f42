import type { Socket } from 'node:net';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { asError } from './pool-arguments.js';

/** The callback by which a library hears of the outcome of a connect. */
export type ConnectorCallback = (
  ...outcome: [error: null, socket: Socket] | [error: Error, socket: null]
) => void;

/** Connects as `pool.connect` does, for a callback. */
export async function connectFor(
  callback: ConnectorCallback,
  pool: LeasingPool,
  target: TargetOptions | undefined,
): Promise<void> {
  let socket: Socket;
  try {
    socket = (await pool.acquire(target)).detach();
  } catch (error) {
    return callback(asError(error), null);
  }
  callback(null, socket);
}
