import { defineMessage } from './codec.js';
import { flag, openEnum, text, u32, u64 } from './fields.js';

/** What a broker can be asked about itself (W-39). */
export const AdminVerb = {
  UNSPECIFIED: 0,
  STATUS: 1,
  DUMP: 2,
  LIST_INSTANCES: 3,
  HEALTHZ: 4,
  READYZ: 5,
  BACKEND_HEALTH: 6,
  CONFIG: 7,
  DIAGNOSE: 8,
  METRICS: 9,
  SHUTDOWN: 21,
} as const;
/** A number of {@link AdminVerb}. */
export type AdminVerb = (typeof AdminVerb)[keyof typeof AdminVerb];

/** The form of an admin reply's body (W-39). */
export const AdminReplyKind = { TEXT: 0, JSON: 1, OPENMETRICS: 2 } as const;
/** A number of {@link AdminReplyKind}. */
export type AdminReplyKind = (typeof AdminReplyKind)[keyof typeof AdminReplyKind];

/** A question to the broker (W-38). */
export interface AdminRequest {
  /** An {@link AdminVerb}; unknown numbers survive decoding (W-23). */
  readonly verb: number;
  /** Ask for JSON where the verb has it. */
  readonly json: boolean;
  /** Narrows per-service reports; empty is all services. */
  readonly serviceName: string;
  /** Where DIAGNOSE writes its bundle. */
  readonly outputPath: string;
  /** How long SHUTDOWN may let open work finish, in milliseconds. */
  readonly drainDeadlineMs: bigint;
}

/** The broker's answer (W-38). */
export interface AdminReply {
  /** An {@link AdminReplyKind}; unknown numbers survive decoding (W-23). */
  readonly kind: number;
  readonly body: string;
  /** What a program showing the body should exit with; not 0 is an answer all the same. */
  readonly exitCode: number;
  /** MIME type of the body. */
  readonly contentType: string;
}

const requestCodec = defineMessage<AdminRequest, 'AdminRequest'>('AdminRequest', {
  verb: openEnum,
  json: flag,
  serviceName: text,
  outputPath: text,
  drainDeadlineMs: u64,
});

const replyCodec = defineMessage<AdminReply, 'AdminReply'>(
  'AdminReply',
  { kind: openEnum, body: text, exitCode: u32, contentType: text },
  { code: 'DECODE_ADMIN_REPLY' },
);

/** Encodes an AdminRequest. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeAdminRequest: (request: Partial<AdminRequest>) => Uint8Array = requestCodec.encode;

/** Decodes an AdminRequest. Throws `DECODE_FRAME`. */
export const decodeAdminRequest: (body: Uint8Array) => AdminRequest = requestCodec.decode;

/** Encodes an AdminReply. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeAdminReply: (reply: Partial<AdminReply>) => Uint8Array = replyCodec.encode;

/** Decodes an AdminReply. Throws `DECODE_ADMIN_REPLY`. */
export const decodeAdminReply: (body: Uint8Array) => AdminReply = replyCodec.decode;
