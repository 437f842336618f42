import { MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { invalidArgument } from '../../../errors.js';
import { parseWelcome, SHARING_VERSION } from '../protocol.js';
import { SharedPool } from './shared-pool.js';

/**
 * Ports that have a client in this thread: looking for a welcome in them would take away a message of that
 * one.
 */
const connected = new WeakSet<MessagePort>();

/**
 * The pool behind a port that `BrokerPool.share()` gave, for the thread that calls this. A port is good for
 * one thread and one call.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for anything but a fresh port of a shared pool
 */
export async function connectSharedPool(port: MessagePort): Promise<SharedPool> {
  if (!(port instanceof MessagePort))
    throw invalidArgument('port', 'must be a MessagePort, from share() of a pool');
  // The pool has put it there before it gave the port away: there is nothing to wait for.
  const welcome = connected.has(port) ? undefined : parseWelcome(receiveMessageOnPort(port)?.message);
  if (welcome === undefined)
    throw invalidArgument('port', 'is no port of a shared pool, or has been used already');
  if (welcome.version !== SHARING_VERSION) {
    throw invalidArgument(
      'port',
      `is of a pool with sharing version ${welcome.version}; this copy of the package has version ${SHARING_VERSION}`,
    );
  }
  connected.add(port);
  return new SharedPool(port, welcome.acquireTimeoutMs);
}
