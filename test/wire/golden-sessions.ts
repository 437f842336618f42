import { readFileSync } from 'node:fs';
import { fromHex } from './hex.js';

/**
 * A request as the Rust crate builds it, and the crate's answer to it, which is an echo: both with their
 * headers.
 */
export interface GoldenRequest {
  readonly name: string;
  readonly requestId: bigint;
  readonly payload: Uint8Array;
  readonly traceparent: string;
  readonly tracestate: string;
  /** Only in the request: answers have no deadline. */
  readonly deadlineUnixMs: bigint;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
}

/** The crate's blocking client's reaction to one answer. */
export type GoldenOutcome = { readonly payloadHex: string } | { readonly error: string };

/** Bytes in answer to request 1, and what the crate's client makes of them. */
export interface GoldenAnswer {
  readonly name: string;
  readonly answerHex: string;
  /** Whether the backend closes the connection behind these bytes. */
  readonly ends: boolean;
  readonly first: GoldenOutcome;
  /** The next request, which is answered rightly; null where the client has lost its place in the stream. */
  readonly second: GoldenOutcome | null;
}

/** A client's bytes, and the reaction of the crate's mux with an echo handler. */
export interface GoldenExchange {
  readonly name: string;
  readonly sentHex: string;
  readonly receivedHex: string;
  /** `open`: the mux waits for more; `closed`: it gives the connection up; `legacy`: the rest is not frames. */
  readonly end: 'open' | 'closed' | 'legacy';
  /** The bytes that were not consumed. */
  readonly restHex: string;
  readonly error: string | null;
}

/** Something that the crate reads: what it reads in it, or why it refuses it. */
interface Judged {
  readonly name: string;
  readonly error?: string;
}

interface LongestPayloads {
  readonly id1: number;
  readonly id128: number;
  readonly idMax: number;
}

interface GoldenSessions {
  /** The crate and version that made them. */
  readonly crate: string;
  /** The payload protocol of all requests. */
  readonly protocol: number;
  readonly limits: {
    readonly frameBodyBytes: number;
    readonly requestPayloadBytes: LongestPayloads;
    readonly responsePayloadBytes: LongestPayloads;
  };
  readonly frames: readonly Record<
    | 'name'
    | 'requestId'
    | 'payloadHex'
    | 'traceparent'
    | 'tracestate'
    | 'deadlineUnixMs'
    | 'requestHex'
    | 'responseHex',
    string
  >[];
  readonly conversations: readonly {
    readonly client: string;
    readonly bytes: readonly { readonly requestHex: string; readonly responseHex: string }[];
  }[];
  readonly answers: readonly GoldenAnswer[];
  readonly mux: readonly GoldenExchange[];
  readonly probes: readonly { readonly nonceHex: string; readonly requestHex: string }[];
  readonly probeAnswers: readonly (Judged & {
    readonly payloadHex: string;
    readonly identity?: Readonly<Record<string, unknown>>;
  })[];
  readonly identityFiles: readonly (Judged & {
    readonly text: string;
    readonly identity?: Readonly<Record<string, unknown>>;
  })[];
  readonly serviceDefinitions: readonly {
    readonly name: string;
    readonly hex: string;
    readonly value: Readonly<Record<string, unknown>>;
  }[];
  readonly offers: readonly (Judged & {
    readonly frameHex: string;
    readonly offer?: Readonly<Record<string, unknown>>;
  })[];
  readonly acks: readonly {
    readonly name: string;
    readonly presentedHex: string;
    readonly accepted: boolean;
    readonly errorDetail: string;
    readonly correlationId: string;
    readonly ackHex: string;
    readonly readyHex: string | null;
  }[];
}

/** Made by the interop program in test/interop/rust; see refresh-golden-sessions.js. */
export const goldenSessions: GoldenSessions = JSON.parse(
  readFileSync(new URL('../../../test/wire/golden-sessions.json', import.meta.url), 'utf8'),
);

/** Requests and answers for a codec of the data plane: what a client writes and reads. */
export const goldenRequests: readonly GoldenRequest[] = goldenSessions.frames.map((golden) => ({
  name: golden.name,
  requestId: BigInt(golden.requestId),
  payload: fromHex(golden.payloadHex),
  traceparent: golden.traceparent,
  tracestate: golden.tracestate,
  deadlineUnixMs: BigInt(golden.deadlineUnixMs),
  request: fromHex(golden.requestHex),
  response: fromHex(golden.responseHex),
}));
