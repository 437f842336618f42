import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { Pool } from 'undici';
import type { BrokerPool } from '../../src/index.js';
import { httpAgent, undiciConnector } from '../../src/http/index.js';
import { closedLoop, type Turn, type TurnLength } from '../harness/closed-loop.js';

/** A way to send HTTP requests. */
export interface HttpClient {
  readonly name: string;
  readonly role: 'ours' | 'peer';
  /** Resolves with the body. */
  ask(path: string): Promise<string>;
  close(): Promise<void>;
}

const nothing = (): void => {};

/** Requests for different paths; each answer is compared with its path. */
export function askInTurn(client: HttpClient, callers: number, length: TurnLength): Promise<Turn> {
  let count = 0;
  return closedLoop(
    async () => {
      count += 1;
      const path = `/${count}`;
      const body = await client.ask(path);
      if (body !== path) throw new Error(`${client.name}: a wrong answer to ${path}: ${body}`);
      return nothing;
    },
    callers,
    length,
  );
}

function nodeClient(
  name: string,
  role: HttpClient['role'],
  options: { readonly agent: Agent; readonly socketPath?: string },
): HttpClient {
  return {
    name,
    role,
    ask: (path) =>
      new Promise((resolve, reject) => {
        get({ ...options, path }, (response) => resolve(text(response))).on('error', reject);
      }),
    close: async () => options.agent.destroy(),
  };
}

function undiciClient(name: string, role: HttpClient['role'], options: Pool.Options): HttpClient {
  const dispatcher = new Pool('http://localhost', options);
  return {
    name,
    role,
    ask: async (path) => await (await dispatcher.request({ path, method: 'GET' })).body.text(),
    close: () => dispatcher.close(),
  };
}

/** `node:http` with Node's own agent over the socket's path. */
export const nodeOverPath = (name: string, socketPath: string, maxSockets: number): HttpClient =>
  nodeClient(name, 'peer', { agent: new Agent({ keepAlive: true, maxSockets }), socketPath });

export const nodeOverPool = (name: string, pool: BrokerPool): HttpClient =>
  nodeClient(name, 'ours', { agent: httpAgent(pool) });

export const undiciOverPath = (name: string, socketPath: string, connections: number): HttpClient =>
  undiciClient(name, 'peer', { socketPath, connections });

export const undiciOverPool = (name: string, pool: BrokerPool, connections: number): HttpClient =>
  undiciClient(name, 'ours', { connect: undiciConnector(pool), connections });
