/** A backend in this process, and clients of its endpoint that know nothing of the package. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import type { ExecutionContext } from 'ava';
import {
  serveBackend,
  type Backend,
  type BackendOptions,
  type BackendRequest,
} from '../../src/backend/index.js';
import { endpointIn } from '../helpers/endpoints.js';
import { encodeFrameToWire, PayloadProtocol, type Frame } from '../../src/wire/messages.js';

/** A protocol that the backends of these tests serve. */
export const ECHO = 0xf001;

export const DIGEST = new Uint8Array(32).fill(7);

/** A private directory that goes with the test. */
export function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bpb-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A backend with an identity that costs no hashing. It closes with the test. */
export async function start(t: ExecutionContext, options: BackendOptions): Promise<Backend> {
  const endpoint = options.endpoint ?? endpointIn(directory(t), 'b');
  const backend = await serveBackend({ identity: { exeHash: DIGEST }, ...options, endpoint });
  t.teardown(() => backend.close({ timeoutMs: 0 }));
  return backend;
}

/** Echoes framed requests. */
export const echoing = {
  payloadProtocols: [ECHO],
  onRequest: ({ payload }: BackendRequest): Uint8Array => payload,
};

/** A half-open connection. */
export async function dial(t: ExecutionContext, endpoint: string): Promise<Socket> {
  const socket = connect({ path: endpoint, allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The bytes of a request. */
export function request(payload: Uint8Array | string, changes: Partial<Frame> = {}): Uint8Array {
  return encodeFrameToWire({
    envelopeVersion: 1,
    payloadProtocol: ECHO,
    payload: Buffer.from(payload),
    requestId: 1n,
    ...changes,
  });
}

export function probe(nonce: Uint8Array, changes: Partial<Frame> = {}): Uint8Array {
  return request(nonce, { payloadProtocol: PayloadProtocol.IDENTITY_PROBE, ...changes });
}

/** A promise with its settling functions. */
export function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
