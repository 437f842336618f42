/** `ok`: as it should be. `warning`: it works, but not as well or as long as it could. `failure`: it does not work. */
export type Verdict = 'ok' | 'warning' | 'failure';

/** One fact about the set-up. */
export interface Finding {
  readonly verdict: Verdict;
  /** The file, variable, socket or part that was looked at. */
  readonly subject: string;
  /** The state in which it was found. */
  readonly found: string;
  /** The next step; absent only with `ok`. */
  readonly advice?: string;
}

export function ok(subject: string, found: string): Finding {
  return { verdict: 'ok', subject, found };
}

export function warning(subject: string, found: string, advice: string): Finding {
  return { verdict: 'warning', subject, found, advice };
}

export function failure(subject: string, found: string, advice: string): Finding {
  return { verdict: 'failure', subject, found, advice };
}
