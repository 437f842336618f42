/**
 * What a broker answered about one target. A failure belongs to the answer that it proves wrong: it forgets
 * that one and no other, so that a newer answer survives an older failure, in whatever order the two reach
 * the file.
 */
export interface Answer {
  readonly endpoint: string;
  /**
   * When the broker gave it, in whole milliseconds of the wall clock: the one clock that all processes share.
   */
  readonly atMs: number;
  /** The endpoint failed since. Kept, or another process that knows the answer would bring it back. */
  readonly forgotten: boolean;
}

/** By target key. */
export type Answers = ReadonlyMap<string, Answer>;

/**
 * How far ahead of the clock an answer may be. One from further on was given before the clock was set back,
 * and would win for as long.
 */
export const FUTURE_TOLERANCE_MS = 60_000;

/**
 * Which of two answers stands, as a number: the later one; of the same moment the one with the greater name,
 * for want of anything better; of the same answer the forgotten one. A total order, so that all processes
 * agree whatever they saw first.
 */
export function compareAnswers(one: Answer, other: Answer): number {
  if (one.atMs !== other.atMs) return one.atMs - other.atMs;
  if (one.endpoint !== other.endpoint) return one.endpoint < other.endpoint ? -1 : 1;
  return Number(one.forgotten) - Number(other.forgotten);
}

/** Whether an answer was given by now, give or take. */
export function isBelievable(answer: Answer, nowMs: number): boolean {
  return answer.atMs <= nowMs + FUTURE_TOLERANCE_MS;
}

/** The answer that stands among those of one target that are believable. */
export function latestAnswer(candidates: readonly (Answer | undefined)[], nowMs: number): Answer | undefined {
  let best: Answer | undefined;
  for (const answer of candidates) {
    if (answer === undefined || !isBelievable(answer, nowMs)) continue;
    if (best === undefined || compareAnswers(answer, best) > 0) best = answer;
  }
  return best;
}

/**
 * For each target the answer that stands: commutative, associative and idempotent, so that processes need not
 * take turns.
 */
export function mergeAnswers(one: Answers, other: Answers): Map<string, Answer> {
  const merged = new Map(one);
  for (const [key, answer] of other) putAnswer(merged, key, answer);
  return merged;
}

/** Takes an answer in if it stands against the one that is there. */
export function putAnswer(answers: Map<string, Answer>, key: string, answer: Answer): void {
  const known = answers.get(key);
  if (known === undefined || compareAnswers(answer, known) > 0) answers.set(key, answer);
}

/** Without the answers of a future that is too far off. */
export function believable(answers: Answers, nowMs: number): Map<string, Answer> {
  return new Map([...answers].filter(([, answer]) => isBelievable(answer, nowMs)));
}
