import { CHECKS } from '../../src/cli/doctor/checks.js';

/** The page that shows the checks of `broker-pool doctor`. */
export const DOCTOR_PAGE = 'docs/doctor.md';

const TABLE = /(<!-- checks of doctor -->\n<!-- prettier-ignore -->\n)(?:\|.*\n)*/;

/** The page with the table of checks as the code has them. */
export function withDoctorTable(page: string): string {
  const rows = CHECKS.map(({ name, looksAt, warnsOf, failsOn }) => [
    `\`${name}\``,
    looksAt,
    warnsOf,
    failsOn,
  ]);
  const lines = [['check', 'looks at', 'warns of', 'fails on'], ['---', '---', '---', '---'], ...rows]
    .map(
      (cells) =>
        `|${cells.map((cell) => (cell === '---' ? cell : ` ${cell} `.replace('  ', ' '))).join('|')}|\n`,
    )
    .join('');
  return page.replace(TABLE, (_table, marker: string) => marker + lines);
}
