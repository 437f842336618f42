import type { MessagePort } from 'node:worker_threads';
import { BrokerPoolError } from '../../errors.js';
import type { AcquireOptions } from '../../pool/options.js';
import type { LeaseLog } from '../lease-log.js';
import type { ClientMessage } from '../protocol.js';

/** An acquire for which the pool's thread is asked. */
export interface AskedAcquire {
  readonly id: number;
  readonly timeoutMs: number;
  /** On the monotonic clock. */
  readonly askedAtMs: number;
  readonly options: AcquireOptions;
}

/** What this thread tells the pool's thread, in its order: by messages, and by records of shared memory. */
export class HostLink {
  readonly #port: Pick<MessagePort, 'postMessage'>;
  readonly #log: LeaseLog;
  #endedBy: BrokerPoolError | undefined;
  /** Acquires that the pool's thread has been asked for, as a 32-bit number. */
  #asked = 0;
  /** Releases and claims that had no place in the log, as a 32-bit number. */
  #messages = 0;

  constructor(port: Pick<MessagePort, 'postMessage'>, log: LeaseLog) {
    this.#port = port;
    this.#log = log;
  }

  /** Why this thread's part of the pool has ended, once it has. */
  get endedBy(): BrokerPoolError | undefined {
    if (this.#log.isEnded)
      this.#endedBy ??= new BrokerPoolError('POOL_CLOSED', 'the pool has ended in its own thread');
    return this.#endedBy;
  }

  end(reason: BrokerPoolError): void {
    this.#endedBy ??= reason;
  }

  post(message: ClientMessage): void {
    this.#port.postMessage(message);
  }

  ask({ id: acquireId, askedAtMs, timeoutMs, options }: AskedAcquire): void {
    const { serviceName, wantedVersion, signal } = options;
    const abortable = signal !== undefined;
    this.#asked = (this.#asked + 1) | 0;
    this.post({ kind: 'acquire', acquireId, timeoutMs, askedAtMs, abortable, serviceName, wantedVersion });
  }

  /** Whether the pool has answered all acquires. Their leases may still be on the way. */
  get isAnswered(): boolean {
    return this.#log.answered === this.#asked;
  }

  release(acquireId: number, kept: boolean, everReceived: boolean, turn: number): void {
    if (this.#mayWrite && this.#log.writeRelease(acquireId, kept, everReceived, turn)) this.#ring();
    else this.#postInstead({ kind: 'release', acquireId, kept, everReceived, turn });
  }

  claim(acquireId: number, connectionId: number): void {
    if (this.#mayWrite && this.#log.writeClaim(acquireId, connectionId)) this.#ring();
    else this.#postInstead({ kind: 'claimed', acquireId, connectionId });
  }

  /**
   * Whether the log may be written to. Not while a release or a claim is on its way in a message: the pool's thread
   * reads the log before each message, and would take the later record first.
   */
  get #mayWrite(): boolean {
    return this.#log.messagesRead === this.#messages;
  }

  #ring(): void {
    if (this.#log.ring()) this.post({ kind: 'read' });
  }

  #postInstead(message: ClientMessage): void {
    this.#messages = (this.#messages + 1) | 0;
    this.post(message);
  }
}
