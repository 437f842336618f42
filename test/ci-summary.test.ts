import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test, { temporaryDirectory } from './helpers/sanitary.js';

const SUMMARY = fileURLToPath(new URL('../../.ci/summary.js', import.meta.url));
const GREEN = [
  '  ✔ clock › one',
  '  √ clock › two (1.2s)\r',
  '  ─',
  '',
  '  2 tests passed',
  '  1 test skipped',
];
const ERROR = ['  clock › two', '', '  Difference (- actual, + expected):', '', '  - 1', '  + 2'];
const FAILED = [
  '  ✔ clock › one',
  '  ✘ [fail]: clock › two A difference',
  '  ─',
  '',
  ...ERROR,
  '',
  '  ─',
  '',
  '  1 test failed',
];

/** What the summary of a log says, line by line. */
function summaryOf(t: ExecutionContext, lines: readonly string[], status: number): string[] {
  const log = join(temporaryDirectory(t), 'log.txt');
  writeFileSync(log, lines.join('\n'));
  return execFileSync(process.execPath, [SUMMARY, log, String(status)], { encoding: 'utf8' }).split('\n');
}

test('the summary of CI counts the tests that pass in runs with and without a failure', (t) => {
  t.deepEqual(summaryOf(t, [...GREEN, '✓ soak'], 0), ['3 passed, 0 failed', '']);
  t.is(summaryOf(t, [...GREEN, ...FAILED, ...GREEN, '✗ soak'], 1).at(-2), '5 passed, 2 failed');
});

test('the summary of CI repeats the failed tests and their errors, and nothing of other runs', (t) => {
  t.deepEqual(summaryOf(t, [...GREEN, ...FAILED, 'FAILED STEP: npm test', ...GREEN], 1), [
    '',
    'FAILURES',
    '✘ [fail]: clock › two A difference',
    'FAILED STEP: npm test',
    '',
    ...ERROR,
    '',
    '5 passed, 1 failed',
    '',
  ]);
});

test('the summary of CI cuts long errors', (t) => {
  const trace = Array.from({ length: 200 }, (_, index) => `      at line ${index}`);
  const lines = summaryOf(t, [...FAILED.slice(0, 10), ...trace, ...FAILED.slice(10)], 1);
  t.true(lines.includes('  clock › two') && lines.includes('      at line 0'));
  t.false(lines.includes('      at line 30'));
});

test('the summary of CI shows the end of a step that fails without a failed test, and counts a failure', (t) => {
  const lines = summaryOf(t, [...GREEN, 'error TS2345', 'FAILED STEP: npm run build'], 1);
  t.true(lines.includes('error TS2345'));
  t.is(lines.at(-2), '2 passed, 1 failed');
});
