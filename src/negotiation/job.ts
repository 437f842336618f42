import type { Socket } from 'node:net';
import { abortable } from '../abort.js';
import { errorFromFailure, type Failure } from '../errors.js';
import type { EndpointTrust } from '../os/endpoint-trust.js';
import type { AdminReply, Negotiated } from '../wire/messages.js';
import { AdminExchange } from './exchange/admin-exchange.js';
import type { Exchange } from './exchange/exchange.js';
import { Handshake } from './exchange/handshake.js';

/**
 * The words of this folder. A {@link Job} is the task of a driver, as plain data. An {@link Exchange} is the
 * protocol of one job, a state machine without I/O. A job in progress has one record on each thread:
 *
 * - `EventLoopNegotiation` where the event loop runs its exchange;
 * - `SubmittedJob` on the main thread for a job given to the wait thread, and `ActiveJob` on the wait thread,
 *   which runs its exchange. Both carry the same slot number.
 *
 * An {@link Outcome} is how the job ended, for the caller; a `ThreadOutcome` is the same with a descriptor in
 * place of a socket. A `CloseObligation` says what must be sent or read before a broker's connection may be
 * closed; an `OrphanedSocket` is a descriptor that a dead thread had open.
 */

/** How a connection came to be. */
export type Route = 'hello-skip' | 'broker-negotiated' | 'handle-passed';

interface JobBase {
  readonly brokerEndpoint: string;
  /** The whole request, encoded before the connect. */
  readonly request: Uint8Array;
  /** When connect and reply must be through, on the monotonic clock. */
  readonly deadlineMs: number;
  /** The span that led to `deadlineMs`, and the limit for dialling the backend, counted from that dial on. */
  readonly roundTripTimeoutMs: number;
  /** The users who may be behind the two endpoints, broker's and backend's; `undefined` trusts every peer. */
  readonly trust: EndpointTrust | undefined;
}

/** Negotiate with the broker and come back with a connection to the backend. */
export interface HandshakeJob extends JobBase {
  readonly kind: 'handshake';
  readonly adoptHandedOffConnection: boolean;
  readonly handoffReadyTimeoutMs: number;
}

/** Settings of a negotiation beyond its broker and its Hello. */
export type NegotiationSettings = Pick<
  HandshakeJob,
  'roundTripTimeoutMs' | 'adoptHandedOffConnection' | 'handoffReadyTimeoutMs' | 'trust'
>;

/** A negotiation that begins now, `nowMs` on the monotonic clock. */
export function handshakeJob(
  brokerEndpoint: string,
  request: Uint8Array,
  settings: NegotiationSettings,
  nowMs: number,
): HandshakeJob {
  const { roundTripTimeoutMs, adoptHandedOffConnection, handoffReadyTimeoutMs, trust } = settings;
  const deadlineMs = nowMs + roundTripTimeoutMs;
  return {
    kind: 'handshake',
    brokerEndpoint,
    request,
    deadlineMs,
    roundTripTimeoutMs,
    adoptHandedOffConnection,
    handoffReadyTimeoutMs,
    trust,
  };
}

/** Ask the broker one admin question. */
export interface AdminJob extends JobBase {
  readonly kind: 'admin';
}

/** A task for a driver, as plain data: jobs cross threads. */
export type Job = HandshakeJob | AdminJob;

/** When a job was asked for, on the monotonic clock. */
export function startedAtMs({ deadlineMs, roundTripTimeoutMs }: Job): number {
  return deadlineMs - roundTripTimeoutMs;
}

/** A connection to the backend as a driver found it. `socket` is paused; any residue is put back into it. */
export interface Connected {
  readonly kind: 'connected';
  readonly socket: Socket;
  /**
   * Where the backend listens, in the form to dial; empty if the broker handed its connection over and named
   * nothing that can be dialled.
   */
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiated: Negotiated;
}

/** The broker's reply to an admin job. */
export interface Answered {
  readonly kind: 'answered';
  readonly reply: AdminReply;
}

/** How a job ended on the thread that asked. */
export type Outcome = Connected | Answered | { readonly kind: 'failed'; readonly failure: Failure };

/**
 * Where negotiations run: `worker` on the event loop, handoffs on the wait thread; `event-loop` on the event loop
 * alone; `event-loop-without-ffi` likewise, and without the system calls that check the user behind an endpoint.
 */
export type DriverName = 'worker' | 'event-loop' | 'event-loop-without-ffi';

/** Runs jobs. All drivers keep to the same rules; they differ in the thread that waits. */
export interface Driver {
  /** The way in which the driver waits at present. */
  readonly name: DriverName;
  /**
   * Starts a job and calls `settle` once, never before this call has returned. The returned function gives
   * the job up: `settle` then gets `ABORTED`, and the driver reads a pending reply to its end in the
   * background.
   */
  start(job: Job, settle: (outcome: Outcome) => void): () => void;
  /**
   * Starts the wait thread ahead of the first job, if the driver has one. Resolves when the thread is ready,
   * cannot start, or `limitMs` are over. Never rejects.
   */
  warm(limitMs?: number): Promise<void>;
  /** Gives up all jobs and frees every thread and descriptor. Idempotent. */
  close(): Promise<void>;
}

/** The state machine of a job. */
export function exchangeFor(job: Job): Exchange {
  return job.kind === 'handshake' ? new Handshake(job) : new AdminExchange(job);
}

/**
 * Runs one job and waits for its end. Rejects with the job's failure, and with `ABORTED` when the signal
 * aborts first.
 */
export function runJob(
  driver: Driver,
  job: HandshakeJob,
  signal?: AbortSignal,
  aborted?: string,
): Promise<Connected>;
export function runJob(
  driver: Driver,
  job: AdminJob,
  signal?: AbortSignal,
  aborted?: string,
): Promise<Answered>;
export async function runJob(
  driver: Driver,
  job: Job,
  signal?: AbortSignal,
  aborted = '',
): Promise<Connected | Answered> {
  const outcome = await (signal === undefined
    ? new Promise<Outcome>((settle) => void driver.start(job, settle))
    : abortable<Outcome>(signal, aborted, (settle) => driver.start(job, settle)));
  if (outcome.kind === 'failed') throw errorFromFailure(outcome.failure);
  return outcome;
}

/** The broker's reply as the broker sent it, without the token. The client checks none of it. */
export type NegotiatedInfo = Omit<Negotiated, 'handlePassedToken'>;

/** Separates the reply that callers may print from the token, which they should not. */
export function describeNegotiated(negotiated: Negotiated): {
  negotiated: NegotiatedInfo;
  handoffToken?: Uint8Array;
} {
  const { handlePassedToken, ...info } = negotiated;
  // The fields of W-34, unchecked (C-19).
  return handlePassedToken.length === 0
    ? { negotiated: info }
    : { negotiated: info, handoffToken: handlePassedToken };
}
