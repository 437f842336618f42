import type { LeaseOwner } from '../../src/pool/lease.js';
import type { CloseReason } from '../../src/pool/close-reason.js';
import { PooledConnection } from '../../src/pool/pooled-connection.js';
import { FAKE_BACKEND } from './endpoints.js';
import { FakeSocket } from './fake-peers.js';

/** Notes what becomes of connections. */
export class NotingOwner implements LeaseOwner {
  readonly notes: string[] = [];

  onRelease({ id }: PooledConnection): void {
    this.notes.push(`released ${id}`);
  }

  onDetach({ id }: PooledConnection): void {
    this.notes.push(`detached ${id}`);
  }

  onDestroy({ id }: PooledConnection, reason: CloseReason): void {
    this.notes.push(`destroyed ${id} ${reason}`);
  }
}

export interface PooledOptions {
  readonly bornMs?: number;
  readonly expiresAtMs?: number;
  readonly owner?: LeaseOwner;
  readonly handoffToken?: Uint8Array;
}

const NEGOTIATED = {
  negotiatedProtocol: 1,
  daemonVersion: '1.0.0',
  backendPipe: FAKE_BACKEND,
  warnings: [],
  serverCapabilities: 1n,
  keepaliveIntervalSecs: 0n,
  connectionId: 1n,
};

let lastId = 0;

/** A connection without a pool. */
export function pooledConnection(options: PooledOptions = {}): PooledConnection {
  const { owner = new NotingOwner(), handoffToken, bornMs = 0, expiresAtMs = Infinity } = options;
  const opened = {
    socket: new FakeSocket(),
    endpoint: FAKE_BACKEND,
    route: 'broker-negotiated',
    ...(handoffToken && { negotiated: NEGOTIATED, handoffToken }),
  } as const;
  return new PooledConnection(++lastId, opened, owner, bornMs, expiresAtMs);
}
