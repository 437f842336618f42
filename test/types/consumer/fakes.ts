/** What a test of a user may put in place of a lease. */
import { Socket } from 'node:net';
import type { DestroyReason, Lease } from 'broker-pool';

export const minimal: Lease = {
  socket: new Socket(),
  endpoint: '/run/backend.sock',
  route: 'hello-skip',
  connectionId: 1,
  spent: false,
  release() {},
  destroy() {},
  detach: () => new Socket(),
  async [Symbol.asyncDispose]() {},
};

export class FakeLease implements Lease {
  readonly socket = new Socket();
  readonly endpoint = '/run/backend.sock';
  readonly route = 'broker-negotiated';
  readonly negotiated = undefined;
  readonly handoffToken = undefined;
  readonly connectionId = 1;
  spent = false;

  release(): void {
    this.spent = true;
  }

  destroy(_reason?: DestroyReason): void {
    this.spent = true;
  }

  detach(): Socket {
    this.spent = true;
    return this.socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  toJSON(): { readonly state: 'spent' } {
    return { state: 'spent' };
  }
}
