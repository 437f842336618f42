import { printJson } from '../command.js';
import type { CheckedFinding } from './checks.js';
import type { Verdict } from './finding.js';

const COLOURS: Readonly<Record<Verdict, string>> = {
  ok: '\u001B[32m',
  warning: '\u001B[33m',
  failure: '\u001B[31m',
};
const PLAIN = '\u001B[0m';
const VERDICT_WIDTH = 'warning'.length;

/** A finding as text: the verdict, the subject and its state, and the advice below. */
export function findingText(
  { verdict, subject, found, advice }: CheckedFinding,
  isColoured: boolean,
): string {
  const word = verdict.padEnd(VERDICT_WIDTH);
  const shown = isColoured ? COLOURS[verdict] + word + PLAIN : word;
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

/** 1 with a failure, else 0. */
export function exitCodeOf(findings: readonly CheckedFinding[]): number {
  return findings.some(({ verdict }) => verdict === 'failure') ? 1 : 0;
}

export function printReport(findings: readonly CheckedFinding[]): void {
  printJson({ schemaVersion: 1, command: 'doctor', exitCode: exitCodeOf(findings), findings });
}
