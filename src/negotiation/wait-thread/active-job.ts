import type { Timed } from '../../deadline-queue.js';
import type { Failure } from '../../errors.js';
import type { SystemCalls } from '../../os/native.js';
import type { Poller } from '../../os/poller-kinds.js';
import type { Negotiated } from '../../wire/messages.js';
import { FIRST_RETRY_MS } from '../connect-failures.js';
import type { Exchange } from '../exchange/exchange.js';
import { exchangeFor, type Job } from '../job.js';
import type { SharedThreadState, StartCommand, ThreadCommand, ThreadOutcome } from './thread-protocol.js';

/** What the wait loop works with; tests put their own in place of any of it. */
export interface WaitEnvironment {
  readonly system: SystemCalls;
  readonly poller: Poller;
  readonly shared: SharedThreadState;
  /** The next command, or `undefined` when there is none; never waits. */
  takeCommand(): ThreadCommand | undefined;
  /** Hands over the outcomes of one turn. */
  post(outcomes: ThreadOutcome[]): void;
  now(): number;
}

/**
 * One job in the loop. `dueMs` is when it must be looked at although nothing arrived: its deadline or its
 * next try to connect or send.
 */
export interface ActiveJob extends Timed {
  readonly slot: number;
  readonly job: Job;
  readonly exchange: Exchange;
  descriptor: number;
  /** Set while a connect is being tried again because the listener's backlog is full. */
  dialling: Dialling | undefined;
  /** Set while part of the request is still to be sent because the system took no more. */
  sending: Sending | undefined;
  negotiated: Negotiated | undefined;
}

export interface Dialling {
  readonly endpoint: string;
  readonly deadlineMs: number;
  retryDelayMs: number;
}

export interface Sending {
  sent: number;
  retryDelayMs: number;
}

/** A job as its command brings it, not due yet. */
export function activeJob({ slot, job, descriptor }: StartCommand): ActiveJob {
  const exchange = exchangeFor(job);
  return {
    slot,
    job,
    exchange,
    descriptor,
    dialling: undefined,
    sending: undefined,
    negotiated: undefined,
    dueMs: 0,
    queueIndex: -1,
  };
}

/** A request of which `sent` bytes are gone. */
export function beginSending(sent: number): Sending {
  return { sent, retryDelayMs: FIRST_RETRY_MS };
}

export function failed(active: ActiveJob, failure: Failure): ThreadOutcome {
  return { slot: active.slot, kind: 'failed', failure, unreadReply: undefined };
}
