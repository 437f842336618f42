import { connect } from 'node:net';
import { systemCode } from './errno.js';

/**
 * Whether a dial finds no listener: the socket file then belongs to a process that has ended. A full backlog
 * and a listener of another user are listeners.
 */
export function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve(isNoListener(error)));
  });
}

/** Whether a dial has failed because no process listens there. */
export function isNoListener(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}
