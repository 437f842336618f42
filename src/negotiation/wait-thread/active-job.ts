import type { Timed } from '../../deadline-queue.js';
import type { Negotiated } from '../../wire/messages.js';
import type { Exchange } from '../exchange/exchange.js';
import { exchangeFor, type Job } from '../job.js';
import type { StartCommand } from './thread-protocol.js';

export interface Dialling {
  readonly endpoint: string;
  readonly deadlineMs: number;
  retryDelayMs: number;
}

export interface Sending {
  /** How many bytes of the request the system has taken. */
  sent: number;
  retryDelayMs: number;
}

/**
 * One job in the poll loop. `dueMs` is when the loop must look at it although nothing arrived: its deadline,
 * or its next attempt to connect or send.
 */
export class ActiveJob implements Timed {
  readonly slot: number;
  readonly job: Job;
  readonly exchange: Exchange;
  descriptor: number;
  /** Set while the loop retries a connect because the listener's backlog is full. */
  dialling: Dialling | undefined;
  /** Set while part of the request is unsent because the system took no more. */
  sending: Sending | undefined;
  /** Set once the broker has negotiated: from then on the job connects to the backend. */
  negotiated: Negotiated | undefined;
  dueMs = 0;
  queueIndex = -1;

  constructor({ slot, job, descriptor }: StartCommand) {
    this.slot = slot;
    this.job = job;
    this.exchange = exchangeFor(job);
    this.descriptor = descriptor;
  }
}
