/**
 * What a broker answered about one target. A failure is a mark on the answer that it proves wrong, so that a
 * newer answer survives an older failure, in whatever order the two reach the file.
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
 * Positive if `one` wins over `other`: the later answer, then the greater endpoint, then the forgotten one. A
 * total order, so that all processes agree, whatever each of them saw first.
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

/** The winner among the believable answers about one target. */
export function latestAnswer(candidates: readonly (Answer | undefined)[], nowMs: number): Answer | undefined {
  let best: Answer | undefined;
  for (const answer of candidates) {
    if (answer === undefined || !isBelievable(answer, nowMs)) continue;
    if (best === undefined || compareAnswers(answer, best) > 0) best = answer;
  }
  return best;
}

/** Takes an answer in if it wins over the one that is there. */
export function putAnswer(answers: Map<string, Answer>, key: string, answer: Answer): void {
  const known = answers.get(key);
  if (known === undefined || compareAnswers(answer, known) > 0) answers.set(key, answer);
}

/** The winner for each target: commutative, associative and idempotent, so that processes need no lock. */
export function mergeAnswers(one: Answers, other: Answers): Map<string, Answer> {
  const merged = new Map(one);
  for (const [key, answer] of other) putAnswer(merged, key, answer);
  return merged;
}

/** The answers that are not from the future. */
export function believable(answers: Answers, nowMs: number): Map<string, Answer> {
  return new Map([...answers].filter(([, answer]) => isBelievable(answer, nowMs)));
}
