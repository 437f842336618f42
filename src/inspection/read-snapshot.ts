import { connect } from 'node:net';
import { systemClock } from '../clock.js';
import { checkPeer, ownTrust } from '../os/endpoint-trust.js';
import { descriptorOf } from '../os/socket-handle.js';
import { parseSnapshot, type Snapshot } from './snapshot.js';

const LIMIT_MS = 2_000;
/** Some thousand targets. A publisher of another program must not fill the memory of the reader. */
const LONGEST_BYTES = 16 * 1024 * 1024;

/**
 * The snapshot that a process publishes at a socket.
 *
 * @throws the system's error, with the code `ECONNREFUSED` or `ENOENT` where no process listens; an `Error` for a
 * publisher that is silent, of another user, or of another release
 */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return parseSnapshot(await readAll(path));
}

function readAll(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const limit = systemClock.deadline(LIMIT_MS, () => socket.destroy(new Error('it does not answer')), true);
    const pieces: Buffer[] = [];
    let length = 0;
    socket
      .on('connect', () => {
        const problem = checkPeer(descriptorOf(socket), ownTrust());
        if (problem !== undefined) socket.destroy(new Error(problem));
      })
      .on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > LONGEST_BYTES) socket.destroy(new Error('its answer is too long'));
      })
      .on('error', reject)
      .on('end', () => resolve(Buffer.concat(pieces).toString()))
      .on('close', () => {
        limit.cancel();
        // Reached first where the publisher hangs up without an error and without an end.
        reject(new Error('it hung up'));
      });
  });
}
