import { Socket } from 'node:net';
import type { Failure } from '../../src/errors.js';
import type { Driver, Job, Outcome } from '../../src/negotiation/job.js';
import type { Negotiated } from '../../src/wire/messages.js';

/** A socket that leads nowhere: what arrives on it is pushed by the test. */
export class FakeSocket extends Socket {
  /** Whether it is dead or dirty, for tests to remember. */
  spoilt = false;

  // Without a handle each of the two would leave a listener behind.
  override ref(): this {
    return this;
  }

  override unref(): this {
    return this;
  }
}

/** A negotiation that waits for its outcome. */
export interface PendingJob {
  readonly job: Job;
  settle(outcome: Outcome): void;
}

/** A driver whose jobs end when the test says so. */
export class FakeDriver implements Driver {
  readonly name = 'event-loop';
  readonly pending = new Set<PendingJob>();
  /** Called with each job that begins. */
  onStart: (pending: PendingJob) => void = () => {};
  #closed = false;

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const pending: PendingJob = {
      job,
      settle: (outcome) => {
        if (this.pending.delete(pending)) settle(outcome);
      },
    };
    this.pending.add(pending);
    const giveUp = (): void => pending.settle(failed({ code: 'ABORTED', message: 'given up' }));
    if (this.#closed) queueMicrotask(giveUp);
    else this.onStart(pending);
    return giveUp;
  }

  warm(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const pending of this.pending) pending.settle(failed({ code: 'ABORTED', message: 'given up' }));
    return Promise.resolve();
  }
}

export function failed(failure: Failure): Outcome {
  return { kind: 'failed', failure };
}

/** The end of a negotiation that went well. */
export function connected(socket: Socket, endpoint = '/fake/backend', handlePassedToken = new Uint8Array()): Outcome {
  const negotiated: Negotiated = {
    negotiatedProtocol: 1,
    daemonVersion: '1.0.0',
    backendPipe: endpoint,
    serverCapabilities: 0n,
    handlePassedToken,
    keepaliveIntervalSecs: 0n,
    warnings: [],
    connectionId: 1n,
  };
  return { kind: 'connected', socket, endpoint, route: 'broker-negotiated', negotiated };
}
