/**
 * Every code of a {@link BrokerPoolError}; the list is closed. docs/errors.md says when each comes and what to
 * do about it.
 */
export type ErrorCode =
  | 'ABORTED'
  | 'BACKEND_CONNECT'
  | 'BACKEND_START'
  | 'BROKER_CONNECT'
  | 'BROKER_DISABLED'
  | 'BROKER_DISABLE_ENV'
  | 'DECODE_ADMIN_REPLY'
  | 'DECODE_FRAME'
  | 'DECODE_HELLO_REPLY'
  | 'DEFINITION_NOT_WRITTEN'
  | 'EMPTY_BACKEND_PIPE'
  | 'ENDPOINT_IN_USE'
  | 'FRAME_IO'
  | 'FRAME_TOO_LARGE'
  | 'FRAMING_VERSION'
  | 'IDENTITY_FILE'
  | 'IDENTITY_MISMATCH'
  | 'INVALID_ARGUMENT'
  | 'MISSING_HELLO_REPLY_RESULT'
  /** Reserved, never thrown: after `clear()` callers go on waiting. */
  | 'POOL_CLEARED'
  | 'POOL_CLOSED'
  | 'PUBLISH_FAILED'
  | 'QUEUE_FULL'
  | 'REFUSED'
  | 'REQUEST_FAILED'
  | 'SESSION_CLOSED'
  | 'TIMEOUT'
  | 'UNEXPECTED_EOF'
  | 'UNEXPECTED_RESPONSE_FRAME'
  | 'UNSUPPORTED_RUNTIME'
  | 'VALIDATION_FAILED'
  | 'WORKER_FAILED';

/**
 * The wait that a `TIMEOUT` ended. `handoff` is reserved: that wait ends in a reconnect and not in an error.
 */
export type TimeoutPhase =
  | 'queue'
  | 'connect'
  | 'hello'
  | 'handoff'
  | 'validate'
  | 'admin'
  | 'probe'
  | 'request';

/** The meaning of a refusal to a caller. `other` covers every code without a kind of its own. */
export type RefusalKind =
  | 'versionUnsupported'
  | 'versionBlocked'
  | 'serviceUnknown'
  | 'rateLimited'
  | 'shuttingDown'
  | 'other';

/** A failed system call as plain data: it crosses threads, where `Error` objects lose their own fields. */
export interface SystemFailure {
  /** The errno name, for example `ENOENT`. */
  readonly code: string;
  readonly syscall: string;
  readonly message: string;
}

/** Fields of a {@link BrokerPoolError} beyond code and message, see there. */
export interface ErrorDetails {
  readonly endpoint?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly wantedVersion?: string | undefined;
  readonly attempts?: number | undefined;
  readonly elapsedMs?: number | undefined;
  readonly phase?: TimeoutPhase | undefined;
  readonly refusalKind?: RefusalKind | undefined;
  readonly refusalCode?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly reason?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A failure as plain data, the form in which workers report it; {@link errorFromFailure} makes it an error.
 */
export interface Failure extends Omit<ErrorDetails, 'cause'> {
  readonly code: ErrorCode;
  readonly message: string;
  readonly system?: SystemFailure;
}

/**
 * The one error class of this package; switch on {@link BrokerPoolError.code}. Where `instanceof` has told
 * the class, the code narrows the type further, see {@link BrokerPoolFailure}.
 */
export class BrokerPoolError extends Error {
  /** A class cannot say that its instances are a union; its `instanceof` can. */
  declare static readonly [Symbol.hasInstance]: (value: unknown) => value is BrokerPoolFailure;

  readonly code: ErrorCode;
  // Declared only: a field that does not apply must not be there, or every error would print a row of
  // `undefined`.
  /** The endpoint that could not be reached, or did not answer. */
  declare readonly endpoint?: string;
  /** The service that was asked for. */
  declare readonly serviceName?: string;
  /** The version that was asked for. */
  declare readonly wantedVersion?: string;
  /** How often connecting was tried, from a pool while the caller waited. */
  declare readonly attempts?: number;
  /** How long the caller waited, in whole milliseconds. */
  declare readonly elapsedMs?: number;
  /** With `TIMEOUT`: the wait that took too long. */
  declare readonly phase?: TimeoutPhase;
  /** With `REFUSED`: the broker's verdict as a word. */
  declare readonly refusalKind?: RefusalKind;
  /** With `REFUSED`: the broker's code; numbers unknown to protocol v1 become 0. */
  declare readonly refusalCode?: number;
  /** With `REFUSED`: how long the broker asks callers to wait, in milliseconds; 0 means "no hint". */
  declare readonly retryAfterMs?: number;
  /**
   * With `REFUSED`: the broker's own reason, cut after 200 characters, characters that cannot be shown
   * escaped.
   */
  declare readonly reason?: string;

  constructor(code: ErrorCode, message: string, { cause, ...fields }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    for (const [name, value] of Object.entries(fields))
      if (value !== undefined) Reflect.set(this, name, value);
  }

  override get name(): string {
    return 'BrokerPoolError';
  }
}

/** The broker refused the Hello. */
export interface RefusedError extends BrokerPoolError {
  readonly code: 'REFUSED';
  readonly refusalKind: RefusalKind;
  readonly refusalCode: number;
  readonly retryAfterMs: number;
  readonly reason: string;
  readonly phase?: never;
}

/** A wait took longer than its limit. */
export interface TimeoutError extends BrokerPoolError {
  readonly code: 'TIMEOUT';
  readonly phase: TimeoutPhase;
  readonly refusalKind?: never;
  readonly refusalCode?: never;
  readonly retryAfterMs?: never;
  readonly reason?: never;
}

/** Any other failure. */
export interface OtherError extends BrokerPoolError {
  readonly code: Exclude<ErrorCode, 'REFUSED' | 'TIMEOUT'>;
  readonly phase?: never;
  readonly refusalKind?: never;
  readonly refusalCode?: never;
  readonly retryAfterMs?: never;
  readonly reason?: never;
}

/**
 * Every {@link BrokerPoolError}, as a union that `code` tells apart: the type of `error` behind `error
 * instanceof BrokerPoolError`.
 */
export type BrokerPoolFailure = RefusedError | TimeoutError | OtherError;

/** The same error as a union of its kinds. */
export function asFailure(error: BrokerPoolError): BrokerPoolFailure {
  if (error instanceof BrokerPoolError) return error;
  throw new TypeError('not an error of this package');
}

/**
 * The fields of an error beyond code, message and cause, for another one that stands for the same failure.
 */
export function fieldsOf(error: BrokerPoolError): Omit<ErrorDetails, 'cause'> {
  const {
    endpoint,
    serviceName,
    wantedVersion,
    attempts,
    elapsedMs,
    phase,
    refusalKind,
    refusalCode,
    retryAfterMs,
    reason,
  } = error;
  return {
    endpoint,
    serviceName,
    wantedVersion,
    attempts,
    elapsedMs,
    phase,
    refusalKind,
    refusalCode,
    retryAfterMs,
    reason,
  };
}

/**
 * Characters that a terminal acts on instead of showing them: control characters, marks that hide or reorder
 * text, ends of lines, half characters.
 */
const NOT_SHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const PRINTED_CHARACTERS = 200;

/** The text of a peer for a one-line message: cut after 200 characters, escaped as in JSON. */
export function printable(text: string): string {
  return escaped(cutShort(text, PRINTED_CHARACTERS));
}

/**
 * An endpoint for messages and logs: the NUL of an abstract name is shown as `@`, as `ss` and `netstat` do.
 */
export function printableEndpoint(endpoint: string): string {
  return printable(endpoint.startsWith('\0') ? `@${endpoint.slice(1)}` : endpoint);
}

/** Writes characters that cannot be shown as `\uXXXX`, each half of a surrogate pair by itself. */
export function escaped(text: string): string {
  return text.replace(NOT_SHOWN, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/**
 * The beginning of a text, with an ellipsis if it is cut. It is a copy: a slice would keep the whole text in
 * memory.
 */
export function cutShort(text: string, characters: number): string {
  if (text.length <= characters) return text;
  return `${Buffer.from(text.slice(0, characters), 'utf16le').toString('utf16le')}…`;
}

/** What was thrown, as text: the message of an error. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Invalid argument: a caller passed a value that can never work. `field` names the option. */
export function invalidArgument(field: string, problem: string, cause?: unknown): BrokerPoolError {
  return new BrokerPoolError('INVALID_ARGUMENT', `${field} ${problem}`, { cause });
}

/** The error for a reported failure. */
export function errorFromFailure(failure: Failure): BrokerPoolError {
  const { code, message, system, ...details } = failure;
  const cause =
    system && Object.assign(new Error(system.message), { code: system.code, syscall: system.syscall });
  return new BrokerPoolError(code, message, { ...details, cause });
}
