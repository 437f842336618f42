import { once } from 'node:events';
import type { Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions } from '../../src/index.js';
import { EmbeddedBroker } from '../../src/testing/embedded-broker.js';
import { endpointIn } from './endpoints.js';
import { temporaryDirectory } from './sanitary.js';

/** A pool that ends with its test. */
export function openPool(
  t: ExecutionContext,
  target: BrokerPoolOptions,
  options: BrokerPoolOptions = {},
): BrokerPool {
  const pool = new BrokerPool({ ...target, ...options });
  t.teardown(() => pool.destroy());
  return pool;
}

/** A pool before a broker whose backend is `server`; all end with the test. */
export async function poolBefore(
  t: ExecutionContext,
  server: Server,
  options: BrokerPoolOptions = {},
): Promise<BrokerPool> {
  const directory = temporaryDirectory(t);
  const endpoint = endpointIn(directory, 'backend');
  server.listen(endpoint);
  await once(server, 'listening');
  const services = { demo: { endpoint, version: '1.0.0' } };
  const broker = await EmbeddedBroker.start({ directory, services });
  const target = { brokerEndpoint: broker.endpoint, serviceName: 'demo', wantedVersion: '1.0.0' };
  const pool = new BrokerPool({ ...target, ...options });
  t.teardown(async () => {
    await pool.destroy();
    await broker.stop();
    await new Promise((resolve) => server.close(resolve));
  });
  return pool;
}

/** The error with which a promise rejects. */
export async function failureOf(promise: Promise<unknown>): Promise<BrokerPoolError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerPoolError) return error;
  throw new Error('it did not fail with a BrokerPoolError', { cause: error });
}
