import type { Socket } from 'node:net';
import type { Clock } from '../clock.js';
import type { Route } from '../negotiation/job.js';

/** A connection as the `validate` hook sees it. */
export interface ConnectionToValidate {
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
}

/**
 * Says whether an idle connection is still good, by a ping of the backend's protocol for example. It must leave nothing unread. `false`, an
 * error, or no answer in time closes the connection as `invalid`.
 */
export type Validate = (connection: ConnectionToValidate) => boolean | Promise<boolean>;

/** Asks the hook, and waits no longer than `limitMs` for it. */
export async function isHealthy(connection: ConnectionToValidate, validate: Validate, limitMs: number, clock: Clock): Promise<boolean> {
  const { socket, endpoint, route } = connection;
  return await new Promise((resolve) => {
    const settle = (healthy: boolean): void => {
      cancelLimit();
      socket.off('close', onClose);
      resolve(healthy);
    };
    const onClose = (): void => settle(false);
    const cancelLimit = clock.schedule(limitMs, onClose);
    // A pool that ends destroys the socket, and must not leave the timer behind.
    socket.once('close', onClose);
    ask(validate, { socket, endpoint, route }).then(settle, () => settle(false));
  });
}

/** A hook that throws at once is no different from one that rejects; only `true` is a yes, whatever JavaScript callers return. */
async function ask(validate: Validate, connection: ConnectionToValidate): Promise<boolean> {
  const answer: unknown = await validate(connection);
  return answer === true;
}
