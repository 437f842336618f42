import { defineMessage } from './codec.js';
import type { Message } from './field-table.js';

/** The requests that a broker answers about itself. */
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

/** The form of an admin reply's body. */
export const AdminReplyKind = { TEXT: 0, JSON: 1, OPENMETRICS: 2 } as const;
/** A number of {@link AdminReplyKind}. */
export type AdminReplyKind = (typeof AdminReplyKind)[keyof typeof AdminReplyKind];

// The fields of W-38, the verbs and kinds of W-39.
const ADMIN_REQUEST = {
  /** An {@link AdminVerb}; unknown numbers survive decoding. */
  verb: 'enum',
  /** Ask for JSON where the verb has it. */
  json: 'bool',
  /** Narrows per-service reports; empty is all services. */
  serviceName: 'string',
  /** Where DIAGNOSE writes its bundle. */
  outputPath: 'string',
  /** How long SHUTDOWN may let open work finish, in milliseconds. */
  drainDeadlineMs: 'u64',
} as const;

/** A question to the broker. */
export interface AdminRequest extends Message<typeof ADMIN_REQUEST> {}

const ADMIN_REPLY = {
  /** An {@link AdminReplyKind}; unknown numbers survive decoding. */
  kind: 'enum',
  body: 'string',
  /** The exit code for a program that shows the body; not 0 is an answer all the same. */
  exitCode: 'u32',
  /** MIME type of the body. */
  contentType: 'string',
} as const;

/** The broker's answer. */
export interface AdminReply extends Message<typeof ADMIN_REPLY> {}

const requestCodec = defineMessage('AdminRequest', ADMIN_REQUEST);
const replyCodec = defineMessage('AdminReply', ADMIN_REPLY, { code: 'DECODE_ADMIN_REPLY' });

/** Encodes an AdminRequest. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeAdminRequest: (request: Partial<AdminRequest>) => Uint8Array = requestCodec.encode;

/** Decodes an AdminRequest. Throws `DECODE_FRAME`. */
export const decodeAdminRequest: (body: Uint8Array) => AdminRequest = requestCodec.decode;

/** Encodes an AdminReply. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeAdminReply: (reply: Partial<AdminReply>) => Uint8Array = replyCodec.encode;

/** Decodes an AdminReply. Throws `DECODE_ADMIN_REPLY`. */
export const decodeAdminReply: (body: Uint8Array) => AdminReply = replyCodec.decode;
