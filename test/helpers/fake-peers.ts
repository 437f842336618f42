import { Socket } from 'node:net';
import type { Failure } from '../../src/errors.js';
import type { Driver, Job, Outcome } from '../../src/negotiation/job.js';
import { FAKE_BACKEND } from './endpoints.js';
import type { Negotiated } from '../../src/wire/messages.js';

const fakes = new WeakMap<object, FakeSocket>();

/** The fake connection behind a socket. */
export function fakeBehind(socket: unknown): FakeSocket | undefined {
  return typeof socket === 'object' && socket !== null ? fakes.get(socket) : undefined;
}

/**
 * What a socket does with its handle. All but `reading` is private or the prototype's, as with a handle of
 * Node's.
 */
class FakeHandle {
  reading = false;
  readonly #fake: FakeSocket;
  #onread: unknown;

  constructor(fake: FakeSocket) {
    this.#fake = fake;
  }

  get fd(): number {
    return -1;
  }

  get bytesRead(): number {
    return 0;
  }

  get bytesWritten(): number {
    return 0;
  }

  get onread(): unknown {
    return this.#onread;
  }

  /** A socket sets it when it becomes the handle's owner. */
  set onread(onread: unknown) {
    this.#onread = onread;
    for (const symbol of Object.getOwnPropertySymbols(this)) {
      const owner: unknown = Reflect.get(this, symbol);
      if (!(owner instanceof Socket)) continue;
      this.#fake.current = owner;
      fakes.set(owner, this.#fake);
    }
  }

  readStart(): number {
    return 0;
  }

  readStop(): void {}

  asyncReset(): void {}

  ref(): void {
    this.#fake.keepsAlive = true;
  }

  unref(): void {
    this.#fake.keepsAlive = false;
  }

  close(onClose?: () => void): void {
    if (onClose !== undefined) process.nextTick(onClose);
  }
}

/**
 * A connection that leads nowhere: what arrives on it is pushed by the test. It stands for whatever socket
 * has its handle.
 */
export class FakeSocket extends Socket {
  /** Whether it is dead or dirty, for tests to remember. */
  spoilt = false;
  /** Whether it would keep the process alive. */
  keepsAlive = true;
  /** The socket that has the handle now. */
  current: Socket = this;

  constructor() {
    super();
    Reflect.set(this, '_handle', new FakeHandle(this));
    fakes.set(this, this);
  }

  /** Whether the pool has taken it over. */
  get adopted(): boolean {
    return this.current !== this;
  }

  get isOpen(): boolean {
    return !this.current.destroyed;
  }

  override destroy(error?: Error): this {
    if (this.current === this) return super.destroy(error);
    this.current.destroy(error);
    return this;
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    return this.current === this ? super.push(chunk, encoding) : this.current.push(chunk, encoding);
  }
}

/** A negotiation that waits for its outcome. */
export interface SubmittedJob {
  readonly job: Job;
  settle(outcome: Outcome): void;
}

/** A driver whose jobs end when the test says so. */
export class FakeDriver implements Driver {
  readonly name = 'event-loop';
  readonly pending = new Set<SubmittedJob>();
  /** Called with each job that begins. */
  onStart: (pending: SubmittedJob) => void = () => {};
  #closed = false;

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const pending: SubmittedJob = {
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
export function connected(
  socket: Socket,
  endpoint = FAKE_BACKEND,
  handlePassedToken = new Uint8Array(),
): Outcome {
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
