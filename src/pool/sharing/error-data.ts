import { BrokerPoolError, fieldsOf, type ErrorCode, type ErrorDetails } from '../../errors.js';

/** A `BrokerPoolError` as plain data: a structured clone of an error loses its class and its own fields. */
export interface ErrorData extends Omit<ErrorDetails, 'cause'> {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: CauseData;
}

/** The cause of an error: an error of this package, another error, or any other value that was thrown. */
export type CauseData =
  | { readonly kind: 'pool'; readonly error: ErrorData }
  | {
      readonly kind: 'other';
      readonly name: string;
      readonly message: string;
      readonly code?: string;
      readonly syscall?: string;
    }
  | { readonly kind: 'value'; readonly text: string };

/** Causes of causes beyond this depth are left out: foreign errors may form a circle. */
const DEEPEST_CAUSE = 4;

export function errorToData(error: BrokerPoolError, depth = 0): ErrorData {
  const { code, message, cause } = error;
  return {
    ...fieldsOf(error),
    code,
    message,
    ...(cause !== undefined && depth < DEEPEST_CAUSE && { cause: causeToData(cause, depth + 1) }),
  };
}

/** The same error, made in this thread. */
export function errorFromData({ code, message, cause, ...details }: ErrorData): BrokerPoolError {
  return new BrokerPoolError(code, message, { ...details, cause: cause && causeFromData(cause) });
}

function causeToData(cause: unknown, depth: number): CauseData {
  if (cause instanceof BrokerPoolError) return { kind: 'pool', error: errorToData(cause, depth) };
  if (!(cause instanceof Error)) return { kind: 'value', text: String(cause) };
  const { name, message } = cause;
  return { kind: 'other', name, message, ...textField(cause, 'code'), ...textField(cause, 'syscall') };
}

function textField<Name extends 'code' | 'syscall'>(error: Error, name: Name): Partial<Record<Name, string>> {
  const value: unknown = Reflect.get(error, name);
  if (typeof value !== 'string') return {};
  const field: Partial<Record<Name, string>> = {};
  field[name] = value;
  return field;
}

function causeFromData(cause: CauseData): unknown {
  switch (cause.kind) {
    case 'pool':
      return errorFromData(cause.error);
    case 'value':
      return cause.text;
    case 'other': {
      const { kind: _, message, ...fields } = cause;
      return Object.assign(new Error(message), fields);
    }
  }
}
