import type { ExecutionContext } from 'ava';
import { openSession, type LeasingPool, type Session, type SessionOptions } from '../../src/frames/index.js';
import type { BrokerPool, BrokerPoolOptions } from '../../src/index.js';
import { startTestSystem } from '../../src/testing/index.js';
import { endpointIn } from '../helpers/endpoints.js';
import { openPool } from '../helpers/pools.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { FrameBackend, PROTOCOL, type OnRequest } from './frame-backend.js';

/** A backend that ends with its test. */
export async function startBackend(t: ExecutionContext, onRequest?: OnRequest): Promise<FrameBackend> {
  const backend = await FrameBackend.start(endpointIn(temporaryDirectory(t), 'frames'), onRequest);
  t.teardown(() => backend.stop());
  return backend;
}

/** A session with a backend, without a broker; it ends with its test. */
export function openDirect(
  t: ExecutionContext,
  { endpoint }: Pick<FrameBackend, 'endpoint'>,
  options: Partial<SessionOptions> = {},
): Session {
  const session = openSession({ endpoint }, { payloadProtocol: PROTOCOL, ...options });
  t.teardown(() => session.close({ timeoutMs: 0 }));
  return session;
}

/** A backend, and a pool whose broker names it. */
export async function startPooled(
  t: ExecutionContext,
  onRequest?: OnRequest,
  options?: BrokerPoolOptions,
): Promise<{ backend: FrameBackend; pool: BrokerPool }> {
  const backend = await startBackend(t, onRequest);
  const system = await startTestSystem({ service: { endpoint: backend.endpoint } });
  t.teardown(() => system.stop());
  return { backend, pool: openPool(t, system.target, options) };
}

/** A session over a pool; it ends with its test. */
export function openPooled(
  t: ExecutionContext,
  pool: LeasingPool,
  options: Partial<SessionOptions> = {},
): Session {
  const session = openSession(pool, { payloadProtocol: PROTOCOL, ...options });
  t.teardown(() => session.close({ timeoutMs: 0 }));
  return session;
}

export function bytes(content: string): Uint8Array {
  return new Uint8Array(Buffer.from(content));
}

export function text(payload: Uint8Array): string {
  return Buffer.from(payload).toString();
}
