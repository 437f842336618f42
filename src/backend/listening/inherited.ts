import { fstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { loadListeningCalls } from '../../os/listening.js';
import { listening } from './bind.js';
import { startError } from './start-error.js';

/**
 * Serves on the listening socket that the broker made for this process. The broker may have connected to it
 * already: a socket of one's own in its place would leave that probe without an answer.
 *
 * @throws `BACKEND_START` for a descriptor that is no listening socket
 */
export async function adoptListener(server: Server, descriptor: number, endpoint: string): Promise<void> {
  // L-21. The number may belong to another file of this process: look before anything is done to it.
  const problem = listenerProblem(descriptor);
  if (problem !== undefined)
    throw startError(
      endpoint,
      `descriptor ${descriptor}, which the broker named as its listener, ${problem}`,
    );
  loadListeningCalls()?.setPrivate(descriptor);
  try {
    await listening(server, { fd: descriptor });
  } catch (error) {
    throw startError(endpoint, `the broker's listener cannot be used`, error);
  }
}

function listenerProblem(descriptor: number): string | undefined {
  try {
    if (!fstatSync(descriptor).isSocket()) return 'is no socket';
  } catch {
    return 'is not open';
  }
  const isListening = loadListeningCalls()?.isListening(descriptor) ?? 1;
  return isListening > 0 ? undefined : 'is a socket that does not listen';
}
