import { paint, type Tone } from '../style.js';
import { ExitCode } from '../exit-codes.js';
import { wrapped } from '../help.js';
import type { CheckedFinding } from './checks.js';
import type { Verdict } from './finding.js';

const TONES: Readonly<Record<Verdict, Tone>> = { ok: 'green', warning: 'yellow', failure: 'red' };
const VERDICT_WIDTH = 'warning'.length;

/**
 * A finding as text: the verdict, the subject and its state, and the advice below. The advice is one line: users copy
 * commands out of it.
 *
 * @param columns the width of the terminal; without it no line is wrapped
 */
export function findingText(
  { verdict, subject, found, advice }: CheckedFinding,
  inColour: boolean,
  columns = Infinity,
): string {
  const shown = paint(verdict.padEnd(VERDICT_WIDTH), TONES[verdict], inColour);
  const indent = ' '.repeat(VERDICT_WIDTH + 2);
  const text = wrapped(`${subject}: ${found}`, columns - indent.length).join(`\n${indent}`);
  return `${shown}  ${text}\n${advice === undefined ? '' : `${indent}→ ${advice}\n`}`;
}

/** The last line: how many findings have each verdict. */
export function summary(findings: readonly CheckedFinding[]): string {
  const count = (verdict: Verdict): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  const all = counted(findings.length, 'finding');
  return `${all}: ${counted(count('failure'), 'failure')}, ${counted(count('warning'), 'warning')}\n`;
}

function counted(count: number, thing: string): string {
  return `${count} ${count === 1 ? thing : `${thing}s`}`;
}

export function exitCodeOf(findings: readonly CheckedFinding[]): number {
  return findings.some(({ verdict }) => verdict === 'failure') ? ExitCode.FAILED : ExitCode.DONE;
}
