/**
 * `npm run generate:docs`: writes the tables of options, of metrics and of the doctor's checks in the documents, and
 * the usage texts of the commands.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { DOCTOR_PAGE, withDoctorTable } from './doctor-table.js';
import { withMetricTable } from './metric-tables.js';
import { OPTION_PAGES, withOptionTables } from './option-tables.js';
import { CLI_PAGE, withUsageTexts } from './usage-texts.js';

for (const path of OPTION_PAGES) {
  const page = new URL(`../../../${path}`, import.meta.url);
  writeFileSync(page, withMetricTable(withOptionTables(readFileSync(page, 'utf8'))));
}

const doctorPage = new URL(`../../../${DOCTOR_PAGE}`, import.meta.url);
writeFileSync(doctorPage, withDoctorTable(readFileSync(doctorPage, 'utf8')));

const cliPage = new URL(`../../../${CLI_PAGE}`, import.meta.url);
writeFileSync(cliPage, await withUsageTexts(readFileSync(cliPage, 'utf8')));
