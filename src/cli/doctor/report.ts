import { paint, type Tone } from '../style.js';
import { ExitCode } from '../exit-codes.js';
import type { CheckedFinding } from './checks.js';
import type { Verdict } from './finding.js';

const TONES: Readonly<Record<Verdict, Tone>> = { ok: 'green', warning: 'yellow', failure: 'red' };
const VERDICT_WIDTH = 'warning'.length;

/** A finding as text: the verdict, the subject and its state, and the advice below. */
export function findingText({ verdict, subject, found, advice }: CheckedFinding, inColour: boolean): string {
  const word = verdict.padEnd(VERDICT_WIDTH);
  const shown = paint(word, TONES[verdict], inColour);
  const next = advice === undefined ? '' : `${' '.repeat(VERDICT_WIDTH + 2)}→ ${advice}\n`;
  return `${shown}  ${subject}: ${found}\n${next}`;
}

/** The last line: how many findings have each verdict. */
export function summary(findings: readonly CheckedFinding[]): string {
  const count = (verdict: Verdict): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  return (
    `${findings.length} findings: ${failures} ${failures === 1 ? 'failure' : 'failures'}, ` +
    `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}\n`
  );
}

export function exitCodeOf(findings: readonly CheckedFinding[]): number {
  return findings.some(({ verdict }) => verdict === 'failure') ? ExitCode.FAILED : ExitCode.DONE;
}
