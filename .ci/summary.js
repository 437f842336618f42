/**
 * Ends the output of .ci/run: `node .ci/summary.js LOG STATUS` prints each failure of the log again, for an output that
 * was cut at its start, and then the counts. A line that begins with a tick is a test that passed. AVA's own sums do not
 * serve: of a run with a failure it prints none of what passed.
 */
import { readFileSync } from 'node:fs';

const MOST_LINES = 80;
/** Of one error: its message, the difference and the top of its stack. */
const MOST_LINES_OF_AN_ERROR = 24;
/** Of a step that fails without a failed test, such as a build. */
const LAST_LINES_OF_A_STEP = 24;

// On Windows, AVA prints the second kind. `npm run bench:slips` and .ci/run itself print the third.
const PASSED = /^ *[✔√✓] /u;
const FAILED = /^ *[✘×✗] /u;
const FAILED_STEP = /^FAILED STEP: |^ENDED AFTER /;
const OUTSIDE_TESTS = /^ *(?:Uncaught exception|Unhandled rejection) in /;
/** AVA prints the errors between two of these lines; a run without an error prints one. */
const RULE = /^ *─+$/u;
const AFTER_ERRORS = /^ *\d+ tests? (?:passed|failed|skipped)$/;

/** The errors that AVA prints at the end of a run from `start` on. Empty where the run has none. */
function errorsFrom(lines, start) {
  const length = lines.slice(start).findIndex((line) => RULE.test(line) || AFTER_ERRORS.test(line));
  return length < 0 || !RULE.test(lines[start + length]) ? [] : lines.slice(start, start + length);
}

/** The errors of `lines`, which two empty lines divide, each cut to its first lines. */
function shortened(lines) {
  const errors = lines
    .join('\n')
    .replaceAll(/^\n+|\n+$/g, '')
    .split(/\n{3,}/);
  return errors.flatMap((error) => ['', ...error.split('\n').slice(0, MOST_LINES_OF_AN_ERROR)]);
}

function failuresOf(lines) {
  const titles = [];
  const details = [];
  let failuresBefore = 0;
  let inErrors = false;
  for (const [index, line] of lines.entries()) {
    if (FAILED.test(line)) titles.push(line.trim());
    if (OUTSIDE_TESTS.test(line)) {
      titles.push(line.trim());
      details.push('', ...lines.slice(index, index + MOST_LINES_OF_AN_ERROR));
    }
    if (RULE.test(line)) {
      const errors = inErrors ? [] : errorsFrom(lines, index + 1);
      inErrors = errors.length > 0;
      if (inErrors) details.push(...shortened(errors));
    }
    if (!FAILED_STEP.test(line)) continue;
    titles.push(line);
    const isExplained = titles.length > failuresBefore + 1;
    if (!isExplained) details.push('', ...lines.slice(Math.max(0, index - LAST_LINES_OF_A_STEP), index));
    failuresBefore = titles.length;
  }
  return [...titles, ...details];
}

const [log = '', status = '0'] = process.argv.slice(2);
const lines = readFileSync(log, 'utf8')
  // eslint-disable-next-line no-control-regex -- colours
  .replaceAll(/\u001B\[[\d;]*m|\r/g, '')
  .split('\n');
const passed = lines.filter((line) => PASSED.test(line)).length;
const failed = lines.filter((line) => FAILED.test(line)).length;
const failures = failuresOf(lines);
const shown = failures.slice(0, MOST_LINES);
if (failures.length > shown.length) shown.push(`(and ${failures.length - shown.length} lines more)`);
if (shown.length > 0) process.stdout.write(`\nFAILURES\n${shown.join('\n')}\n\n`);
// A run that broke without a failed test (build, lint, a leak found at the end) must not look clean.
process.stdout.write(`${passed} passed, ${failed === 0 && status !== '0' ? 1 : failed} failed\n`);
