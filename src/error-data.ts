import { BrokerPoolError, fieldsOf, type Failure } from './errors.js';

/** A `BrokerPoolError` as plain data: a structured clone of an error loses its class and its own fields. */
export interface ErrorData extends Omit<Failure, 'system'> {
  readonly cause?: CauseData;
}

/**
 * The cause of an error: an error of this package, the text fields of another error, or the text of any other
 * value that was thrown.
 */
type CauseData =
  | { readonly error: ErrorData }
  | { readonly fields: Readonly<Record<string, string>> }
  | { readonly text: string };

/** Causes of causes beyond this depth are left out: foreign errors may form a circle. */
const DEEPEST_CAUSE = 4;

export function errorToData(error: BrokerPoolError, depth = 0): ErrorData {
  const { code, message, cause } = error;
  const data = { ...fieldsOf(error), code, message };
  return cause === undefined || depth === DEEPEST_CAUSE
    ? data
    : { ...data, cause: causeToData(cause, depth + 1) };
}

/** The same error, made in this thread. */
export function errorFromData({ code, message, cause, ...details }: ErrorData): BrokerPoolError {
  return new BrokerPoolError(code, message, { ...details, cause: cause && causeFromData(cause) });
}

function causeToData(cause: unknown, depth: number): CauseData {
  if (cause instanceof BrokerPoolError) return { error: errorToData(cause, depth) };
  if (!(cause instanceof Error)) return { text: String(cause) };
  const { name, message } = cause;
  const fields: Record<string, string> = {};
  // A system error has code and syscall among its fields.
  for (const [key, value] of Object.entries(cause)) if (typeof value === 'string') fields[key] = value;
  return { fields: { ...fields, name, message } };
}

function causeFromData(cause: CauseData): unknown {
  if ('error' in cause) return errorFromData(cause.error);
  return 'text' in cause ? cause.text : Object.assign(new Error(cause.fields['message']), cause.fields);
}
