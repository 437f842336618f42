import { MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { invalidArgument } from '../../errors.js';
import { isWelcome, SHARING_VERSION } from '../protocol.js';
import { SharedPool } from './shared-pool.js';

/** Ports that have a shared pool already: looking for a welcome in them would take one of its messages. */
const connected = new WeakSet<MessagePort>();

/**
 * Connects this thread to the pool of another by a port from `BrokerPool.share()`. A port serves one thread
 * and one call.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for anything but a fresh port of a shared pool
 */
export async function connectSharedPool(port: MessagePort): Promise<SharedPool> {
  if (!(port instanceof MessagePort))
    throw invalidArgument('port', 'must be a MessagePort, from share() of a pool');
  // `share` posts the welcome before it returns the port: it is there already.
  const welcome: unknown = connected.has(port) ? undefined : receiveMessageOnPort(port)?.message;
  if (!isWelcome(welcome))
    throw invalidArgument('port', 'is no port of a shared pool, or has been used already');
  if (welcome.version !== SHARING_VERSION) {
    throw invalidArgument(
      'port',
      `is of a pool with sharing version ${welcome.version}; this copy of the package has version ${SHARING_VERSION}`,
    );
  }
  connected.add(port);
  return new SharedPool(port, welcome);
}
