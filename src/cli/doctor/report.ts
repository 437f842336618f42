import type { Output } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import type { CheckedFinding } from './checks.js';
import type { Verdict } from './finding.js';

const COLOURS: Readonly<Record<Verdict, string>> = {
  ok: '\u001B[32m',
  warning: '\u001B[33m',
  failure: '\u001B[31m',
};
const PLAIN = '\u001B[0m';
const VERDICT_WIDTH = 'warning'.length;

/** As other programs decide it: a terminal, unless the variables say otherwise. */
export function isColoured({ isTTY }: Output, env: Readonly<Record<string, string | undefined>>): boolean {
  const { NO_COLOR: no, FORCE_COLOR: forced } = env;
  if (no !== undefined && no !== '') return false;
  return forced === undefined ? isTTY === true : forced !== '0';
}

/** A finding as text: the verdict, the subject and its state, and the advice below. */
export function findingText({ verdict, subject, found, advice }: CheckedFinding, inColour: boolean): string {
  const word = verdict.padEnd(VERDICT_WIDTH);
  const shown = inColour ? COLOURS[verdict] + word + PLAIN : word;
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
