/** The rules that hold after every step. */
export type Rule =
  | 'the limits hold'
  | 'one spare connect at most'
  | 'nothing is leased twice'
  | 'a lease is in good order'
  | 'first come, first served'
  | 'every acquire settles once'
  | 'no acquire ends before its time, or long after it'
  | 'an error says what happened'
  | 'the counts add up'
  | 'no caller waits while an idle connection is good'
  | 'no caller waits while a connection can be opened'
  | 'the pool refills by itself'
  | 'a target that was never warmed keeps no connection'
  | 'nothing is left open'
  | 'the pool ends';

/** A rule that did not hold. */
export class RuleBroken extends Error {
  readonly rule: Rule;

  constructor(rule: Rule, detail: string) {
    super(`${rule}: ${detail}`);
    this.rule = rule;
  }

  override get name(): string {
    return 'RuleBroken';
  }
}

export function holds(rule: Rule, condition: boolean, detail: () => string): void {
  if (!condition) throw new RuleBroken(rule, detail());
}
