import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { BrokerPool, connectToBackend, type BrokerPoolOptions, type Route } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import type { CleanUp } from '../harness/closed-loop.js';
import type { Role } from '../harness/result.js';
import { bareNegotiate } from './bare-negotiation.js';
import { bareConnect, helloFrame, naiveNegotiate } from './naive-client.js';

export const POOL = 'BrokerPool, new connection';
export const ONE_SHOT = 'connectToBackend';
export const NAIVE = 'naive event-loop client';
export const BARE = 'bare net.connect';
export const BARE_NEGOTIATION = 'bare sockets, ready-made Hello, nothing checked';

/** A connection, by whatever way, with how to close it. */
export interface Connected {
  readonly socket: Socket;
  readonly route: Route | undefined;
  close(): void;
}

export function closerOf(connected: Connected): CleanUp {
  return () => connected.close();
}

/**
 * Closes when the backend has been heard. A Unix connect is done before it is accepted: a caller that closes
 * at once and connects again runs ahead of the backend until its backlog is full.
 */
export function pacedCloserOf(connected: Connected): CleanUp {
  return async () => {
    connected.socket.write('.');
    await once(connected.socket, 'data');
    connected.close();
  };
}

/** One way to a connection. */
export interface ConnectorContender extends AsyncDisposable {
  readonly name: string;
  readonly role: Role;
  readonly connect: () => Promise<Connected>;
}

const nothingToClose = async (): Promise<void> => {};

/**
 * The pool, which connects for each lease, since each is destroyed. `false` for the endpoint cache asks the
 * broker every time.
 */
export function poolConnector(
  options: BrokerPoolOptions,
  Pool: typeof BrokerPool = BrokerPool,
): ConnectorContender {
  const pool = new Pool(options);
  return {
    name: POOL,
    role: 'ours',
    connect: async () => {
      const lease = await pool.acquire();
      return { socket: lease.socket, route: lease.route, close: () => lease.destroy() };
    },
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** The same under another name, beside itself with other options. */
export function renamed(connector: ConnectorContender, name: string): ConnectorContender {
  return { ...connector, name };
}

export function oneShotConnector(options: Parameters<typeof connectToBackend>[0]): ConnectorContender {
  return {
    name: ONE_SHOT,
    role: 'ours',
    connect: async () => {
      const { socket, route } = await connectToBackend(options);
      return { socket, route, close: () => void socket.destroy() };
    },
    [Symbol.asyncDispose]: nothingToClose,
  };
}

export function naiveConnector(target: TestTarget): ConnectorContender {
  return socketConnector(NAIVE, 'peer', () => naiveNegotiate(target));
}

/** The floor of a negotiation: bare sockets, a ready-made Hello, nothing checked. */
export function bareNegotiator(target: TestTarget, backendEndpoint: string): ConnectorContender {
  const hello = helloFrame(target, 0);
  return socketConnector(BARE_NEGOTIATION, 'floor', () =>
    bareNegotiate(target.brokerEndpoint, backendEndpoint, hello),
  );
}

export function bareConnector(endpoint: string): ConnectorContender {
  return socketConnector(BARE, 'floor', () => bareConnect(endpoint));
}

function socketConnector(name: string, role: Role, open: () => Promise<Socket>): ConnectorContender {
  return {
    name,
    role,
    connect: async () => {
      const socket = await open();
      return { socket, route: undefined, close: () => void socket.destroy() };
    },
    [Symbol.asyncDispose]: nothingToClose,
  };
}

/** A contender that connects fast to the wrong thing, or by another route than asked for, must not win. */
export async function checkConnector({ connect, name }: ConnectorContender, route?: Route): Promise<void> {
  // The first one learns the endpoint, where that is allowed to be remembered.
  (await connect()).close();
  for (let time = 0; time < 3; time++) {
    const connected = await connect();
    if (route !== undefined && connected.route !== undefined)
      assert.equal(connected.route, route, `${name} took another route`);
    connected.socket.write('echo');
    const [answer]: Buffer[] = await once(connected.socket, 'data');
    assert.equal(answer?.toString(), 'echo', `${name} is connected to something else`);
    connected.close();
  }
}
