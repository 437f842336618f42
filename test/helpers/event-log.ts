import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { BrokerPool } from '../../src/index.js';
import { POOL_EVENT_NAMES, type PoolEventName } from '../../src/pool/watching/events.js';

/** An event as a line: its name, its acquire, its connection, and why. */
function lineOf(name: string, event: unknown): string {
  const fields: Partial<Record<string, string | number | boolean>> = {
    ...(typeof event === 'object' ? event : {}),
  };
  const { acquireId, connectionId, reason, lost } = fields;
  const words = [name];
  if (acquireId !== undefined) words.push(`a${acquireId}`);
  if (connectionId !== undefined) words.push(`c${connectionId}`);
  if (reason !== undefined) words.push(String(reason));
  if (lost === true) words.push('lost');
  return words.join(' ');
}

/** All events of a pool in their order, heard in both ways. */
export class EventLog {
  readonly heard: string[] = [];
  readonly published: string[] = [];
  readonly #subscriptions: [string, (message: unknown) => void][] = [];

  constructor(pool: BrokerPool) {
    for (const name of POOL_EVENT_NAMES) this.#listen(pool, name);
  }

  #listen(pool: BrokerPool, name: PoolEventName): void {
    pool.on(name, (event: unknown) => this.heard.push(lineOf(name, event)));
    const onMessage = (message: unknown): void => void this.published.push(lineOf(name, message));
    subscribe(`broker-pool:${name}`, onMessage);
    this.#subscriptions.push([`broker-pool:${name}`, onMessage]);
  }

  /** Forgets what has been so far. */
  clear(): void {
    this.heard.length = 0;
    this.published.length = 0;
  }

  stop(): void {
    for (const [name, onMessage] of this.#subscriptions) unsubscribe(name, onMessage);
  }
}
