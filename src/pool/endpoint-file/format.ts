import { checkEndpoint } from '../../endpoint.js';
import { checkServiceName, checkVersion } from '../../validation.js';
import { splitTargetKey } from '../target.js';
import { compareAnswers, putAnswer, type Answer, type Answers } from './answers.js';

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

/** Longer files are neither read nor written: some thousand answers, more than anybody has backends. */
export const LONGEST_FILE_BYTES = 256 * 1024;

const HEAD = `{"version":${VERSION},"answers":[\n`;
const TAIL = '\n]}\n';
const SEPARATOR = ',\n';

/**
 * What a file holds. `problem` says that there was something which could not be read, or that a newer release
 * wrote the file.
 */
export interface Decoded {
  readonly answers: Answers;
  readonly problem?: 'corrupt' | 'version';
}

/**
 * Whether an answer could be read again: what the broker says is its own affair, what lands in the file is
 * ours.
 */
export function isStorable(key: string, endpoint: string): boolean {
  const target = splitTargetKey(key);
  if (target === undefined) return false;
  try {
    checkServiceName('target', target.serviceName);
    checkVersion('target', target.wantedVersion);
    // In the form to dial: one endpoint under two names would be two answers.
    return [target.brokerEndpoint, endpoint].every((name) => checkEndpoint('endpoint', name) === name);
  } catch {
    return false;
  }
}

/** The text for the newest answers, at most `max` and as many as fit, and which those are. */
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
 * Reads what is left of a file, whatever is in it; never throws. What is not an answer is left out. An empty
 * file is none that is corrupt: a machine that lost power may leave one.
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

/** An own field: what a prototype may offer was not in the file. */
function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}
