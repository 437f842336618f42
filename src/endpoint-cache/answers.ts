import { checkEndpoint } from '../endpoint.js';
import { checkServiceName, checkVersion } from '../validation.js';
import { splitTargetKey } from '../target.js';

/**
 * The answer of a broker about one target. A failure is a mark on the answer that it proves wrong, so that a newer
 * answer survives an older failure, also where the failure reaches the file last.
 */
export interface Answer {
  readonly endpoint: string;
  /** When the broker answered, in whole milliseconds of the wall clock, which all processes share. */
  readonly atMs: number;
  /** The endpoint has failed since. Kept, or another process that knows the answer would bring it back. */
  readonly forgotten: boolean;
}

/** By target key. */
export type Answers = ReadonlyMap<string, Answer>;

/**
 * How far ahead of the clock an answer may be. An answer from further ahead was given before the clock was
 * set back, and would win over all new ones until the clock gets there.
 */
export const FUTURE_TOLERANCE_MS = 60_000;

/**
 * Positive if `one` wins over `other`: the later answer, then the greater endpoint, then the forgotten one. A total
 * order, so that processes agree which have seen the answers in different orders.
 */
export function compareAnswers(one: Answer, other: Answer): number {
  if (one.atMs !== other.atMs) return one.atMs - other.atMs;
  if (one.endpoint !== other.endpoint) return one.endpoint < other.endpoint ? -1 : 1;
  return Number(one.forgotten) - Number(other.forgotten);
}

/** Whether the answer is not from the future. */
export function isBelievable(answer: Answer, nowMs: number): boolean {
  return answer.atMs <= nowMs + FUTURE_TOLERANCE_MS;
}

function putAnswer(answers: Map<string, Answer>, key: string, answer: Answer): void {
  const known = answers.get(key);
  if (known === undefined || compareAnswers(answer, known) > 0) answers.set(key, answer);
}

/**
 * The winner for each target among the answers that are not from the future: commutative, associative and
 * idempotent, so that processes need no lock.
 */
export function mergeAnswers(one: Answers, other: Answers, nowMs: number): Map<string, Answer> {
  const merged = new Map<string, Answer>();
  for (const [key, answer] of [...one, ...other])
    if (isBelievable(answer, nowMs)) putAnswer(merged, key, answer);
  return merged;
}

/**
 * The file is JSON in UTF-8, one answer a line, the newest first:
 *
 * ```
 * {"version":1,"answers":[
 * {"target":"zccache 1.11.20 /run/broker.sock","endpoint":"/run/backend.sock","atMs":1767225600000},
 * {"target":"other 1.0.0 /run/broker.sock","endpoint":"/run/other.sock","atMs":1767225500000,"forgotten":true}
 * ]}
 * ```
 */
const VERSION = 1;

/** Longer files are neither read nor written: some thousand answers, more than a user has backends. */
export const LONGEST_FILE_BYTES = 256 * 1024;

const HEAD = `{"version":${VERSION},"answers":[\n`;
const TAIL = '\n]}\n';
const SEPARATOR = ',\n';

/** The answers in a file. `problem`: some of it could not be read, or a newer release wrote it. */
export interface Decoded {
  readonly answers: Answers;
  readonly problem?: 'corrupt' | 'version';
}

/** Whether an answer could be read again. The broker may name endpoints that the file does not take. */
export function isStorable(key: string, endpoint: string): boolean {
  const target = splitTargetKey(key);
  if (target === undefined) return false;
  try {
    checkServiceName('target', target.serviceName);
    checkVersion('target', target.wantedVersion);
    // In the form that is dialled: one endpoint under two names would be two answers.
    return [target.brokerEndpoint, endpoint].every((name) => checkEndpoint('endpoint', name) === name);
  } catch {
    return false;
  }
}

/** The file's text for the newest answers, at most `max` and as many as fit; `kept` are those. */
export function encodeAnswers(
  answers: Answers,
  max: number,
): { readonly text: string; readonly kept: Answers } {
  const newestFirst = [...answers].toSorted(
    ([oneKey, one], [otherKey, other]) => compareAnswers(other, one) || (oneKey < otherKey ? -1 : 1),
  );
  const lines: string[] = [];
  const kept = new Map<string, Answer>();
  let room = LONGEST_FILE_BYTES - HEAD.length - TAIL.length;
  for (const [key, answer] of newestFirst.slice(0, max)) {
    const { endpoint, atMs, forgotten } = answer;
    const line = JSON.stringify({ target: key, endpoint, atMs, ...(forgotten && { forgotten }) });
    room -= Buffer.byteLength(line) + SEPARATOR.length;
    if (room < 0) break;
    lines.push(line);
    kept.set(key, answer);
  }
  return { text: HEAD + lines.join(SEPARATOR) + TAIL, kept };
}

/**
 * Reads a file's text, leaving out entries that are not answers; never throws. An empty file is not corrupt:
 * a power failure may leave one.
 */
export function decodeAnswers(text: string): Decoded {
  const answers = new Map<string, Answer>();
  if (text === '') return { answers };
  const content = parse(text);
  const version = field(content, 'version');
  if (typeof version === 'number' && Number.isSafeInteger(version) && version > VERSION)
    return { answers, problem: 'version' };
  const items = field(content, 'answers');
  if (version !== VERSION || !Array.isArray(items)) return { answers, problem: 'corrupt' };
  let corrupt = false;
  for (const item of items) {
    const entry = readEntry(item);
    if (entry === undefined) corrupt = true;
    else putAnswer(answers, ...entry);
  }
  return corrupt ? { answers, problem: 'corrupt' } : { answers };
}

function readEntry(item: unknown): readonly [string, Answer] | undefined {
  const target = field(item, 'target');
  const endpoint = field(item, 'endpoint');
  const atMs = field(item, 'atMs');
  const forgotten = field(item, 'forgotten') ?? false;
  if (typeof target !== 'string' || typeof endpoint !== 'string' || typeof forgotten !== 'boolean')
    return undefined;
  if (typeof atMs !== 'number' || !Number.isSafeInteger(atMs) || atMs < 0 || !isStorable(target, endpoint))
    return undefined;
  return [target, { endpoint, atMs, forgotten }];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An own field: an inherited one was not in the file. */
function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}
