import { posix, win32 } from 'node:path';
import { isNativeError } from 'node:util/types';
import { LONGEST_TIMER_MS } from './clock.js';
import { didYouMean } from './did-you-mean.js';
import { cutShort, escaped, invalidArgument } from './errors.js';

const LONGEST_NAME = 64;
const LONGEST_VERSION_BYTES = 64;
const QUOTED_CHARACTERS = 80;
const LISTED_NAMES = 12;

/** `text` as a JSON string, cut short after 80 characters: safe in a one-line error message. */
export function quoted(text: string): string {
  return escaped(JSON.stringify(cutShort(text, QUOTED_CHARACTERS)));
}

/**
 * A service or instance name: 1 to 64 characters of `[a-z0-9-]`. Uppercase is refused, not folded:
 * Windows pipe names ignore case, so two such names would be one endpoint.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkServiceName(field: string, value: unknown): string {
  // N-20: the name becomes a part of the endpoint.
  if (typeof value === 'string' && value.length <= LONGEST_NAME && /^[a-z0-9-]+$/.test(value)) return value;
  throw refused(field, `must be 1 to ${LONGEST_NAME} characters of a-z, 0-9 and "-"`, value);
}

/**
 * A version: `N.N.N` in digits, then optionally `-` and one or more of `[a-z0-9.]`, at most 64 bytes.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkVersion(field: string, value: unknown): string {
  // N-22, V-52: a broker refuses a Hello with any other form or length.
  if (
    typeof value === 'string' &&
    value.length <= LONGEST_VERSION_BYTES &&
    /^\d+\.\d+\.\d+(?:-[a-z0-9.]+)?$/.test(value)
  ) {
    return value;
  }
  throw refused(
    field,
    `must be a version such as 1.2.3 or 1.2.3-rc.1, at most ${LONGEST_VERSION_BYTES} bytes`,
    value,
  );
}

/**
 * A user hash: exactly 16 lowercase hex digits.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkUserHash(field: string, value: unknown): string {
  // N-21: another text would name an endpoint that no broker derives.
  if (typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)) return value;
  throw refused(field, 'must be 16 lowercase hex digits', value);
}

/** Half a character: it has no UTF-8 form, and no message can hold it. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Well-formed text of at most `maxBytes` bytes of UTF-8, empty included.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkText(field: string, value: unknown, maxBytes: number): string {
  // V-52 counts bytes, not characters.
  if (typeof value !== 'string' || Buffer.byteLength(value) > maxBytes)
    throw refused(field, `must be a string of at most ${maxBytes} bytes`, value);
  if (LONE_SURROGATE.test(value)) throw refused(field, 'must be well-formed Unicode', value);
  return value;
}

/** @throws `INVALID_ARGUMENT` unless `value` is a string; every content is allowed */
export function checkString(field: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw refused(field, 'must be a string', value);
}

/**
 * A name for display: 1 to 64 characters, all of them visible, or spaces between others.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkLabel(field: string, value: unknown): string {
  if (
    typeof value === 'string' &&
    value.length <= LONGEST_NAME &&
    value.trim() === value &&
    value !== '' &&
    escaped(value) === value
  )
    return value;
  throw refused(field, `must be 1 to ${LONGEST_NAME} characters that can be shown`, value);
}

/** Values that a duration may have besides positive numbers. */
export interface DurationRange {
  readonly allowZero?: boolean;
  readonly allowInfinity?: boolean;
}

/** The allowed whole numbers. */
export interface CountRange {
  readonly min: number;
  readonly allowInfinity?: boolean;
}

/**
 * A duration in milliseconds, fractions included, up to {@link LONGEST_TIMER_MS}. Zero and `Infinity` are
 * refused unless allowed.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkDurationMs(
  field: string,
  value: unknown,
  { allowZero = false, allowInfinity = false }: DurationRange = {},
): number {
  if (typeof value === 'number') {
    if (value > 0 && value <= LONGEST_TIMER_MS) return value;
    if (value === 0 && allowZero) return value;
    if (value === Infinity && allowInfinity) return value;
  }
  const range = `${allowZero ? 'from' : 'above'} 0 up to ${LONGEST_TIMER_MS}${allowInfinity ? ', or Infinity' : ''}`;
  throw refused(field, `must be a number of milliseconds ${range}`, value);
}

/**
 * A whole number of at least `min`; `Infinity` only where allowed.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkCount(
  field: string,
  value: unknown,
  { min, allowInfinity = false }: CountRange,
): number {
  if (typeof value === 'number' && value >= min) {
    if (Number.isSafeInteger(value) || (value === Infinity && allowInfinity)) return value;
  }
  throw refused(
    field,
    `must be a whole number of at least ${min}${allowInfinity ? ', or Infinity' : ''}`,
    value,
  );
}

/** @throws `INVALID_ARGUMENT` unless `value` is `true` or `false`; truthy values are not repaired. */
export function checkBoolean(field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw refused(field, 'must be true or false', value);
}

/**
 * @throws `INVALID_ARGUMENT` unless `value` is one of `allowed`; it is not turned into a string first.
 */
export function checkName<Name extends string>(
  field: string,
  value: unknown,
  allowed: readonly Name[],
): Name {
  const name = allowed.find((one) => one === value);
  if (name !== undefined) return name;
  throw refused(field, `must be one of ${allowed.join(', ')}`, value);
}

/** @throws `INVALID_ARGUMENT` unless `value` can be called. */
export function checkFunction<F extends (...parameters: never[]) => unknown>(field: string, value: F): F {
  if (typeof value === 'function') return value;
  throw refused(field, 'must be a function', value);
}

/**
 * An `AbortSignal`, recognised by its members: signals of another realm or of a polyfill work as well. A signal
 * without `removeEventListener` is refused, for it would throw when its caller is served.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkSignal(field: string, value: unknown): AbortSignal {
  if (isAbortSignal(value)) return value;
  throw refused(field, 'must be an AbortSignal', value);
}

/** @throws `INVALID_ARGUMENT` unless `value` is an `Error`, of any realm. */
export function checkError(field: string, value: unknown): void {
  if (!isNativeError(value)) throw refused(field, 'must be an Error', value);
}

function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const isFunction = (name: string): boolean => typeof Reflect.get(value, name) === 'function';
    return (
      typeof Reflect.get(value, 'aborted') === 'boolean' &&
      isFunction('addEventListener') &&
      isFunction('removeEventListener')
    );
  } catch {
    // A getter of the caller threw.
    return false;
  }
}

/**
 * The absolute path of a file on `platform`. A relative one would name another file after every `chdir`.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function checkAbsolutePath(
  field: string,
  value: unknown,
  platform: NodeJS.Platform = process.platform,
): string {
  const paths = platform === 'win32' ? win32 : posix;
  if (typeof value === 'string' && paths.isAbsolute(value) && !value.includes('\0')) return value;
  throw refused(field, 'must be an absolute path', value);
}

/**
 * @param orElse what else is allowed, for the message
 * @throws `INVALID_ARGUMENT` unless `value` is an object. Arrays and maps have no options as properties.
 */
export function checkObject(field: string, value: unknown, orElse = ''): asserts value is object {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value)
    throw refused(field, `must be an object${orElse}`, value);
}

/**
 * Refuses values other than objects, and options that do not exist: a misspelt option would silently keep its
 * default. An obvious misspelling is answered with the right name.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function rejectUnknownOptions(
  field: string,
  value: unknown,
  knownNames: readonly string[],
): asserts value is object {
  checkObject(field, value);
  for (const name of Object.keys(value)) {
    if (knownNames.includes(name)) continue;
    const hint = didYouMean(name, knownNames) || listed(knownNames);
    throw invalidArgument(field, `has no option ${quoted(name)}${hint}`);
  }
}

/** A short list of names shows whose options are meant. */
function listed(names: readonly string[]): string {
  return names.length > LISTED_NAMES ? '' : `; it has ${names.join(', ')}`;
}

function refused(field: string, allowed: string, value: unknown) {
  return invalidArgument(field, `${allowed}, got ${described(value)}`);
}

/** The value as far as it helps to find the mistake; the content of objects stays out of error messages. */
export function described(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
