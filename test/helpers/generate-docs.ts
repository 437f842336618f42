/** `npm run generate:docs`: writes the tables of options, of metrics and of the doctor's checks in the documents. */
import { readFileSync, writeFileSync } from 'node:fs';
import { DOCTOR_PAGE, withDoctorTable } from './doctor-table.js';
import { withMetricTable } from './metric-tables.js';
import { OPTION_PAGES, withOptionTables } from './option-tables.js';

for (const path of OPTION_PAGES) {
  const page = new URL(`../../../${path}`, import.meta.url);
  writeFileSync(page, withMetricTable(withOptionTables(readFileSync(page, 'utf8'))));
}

const doctorPage = new URL(`../../../${DOCTOR_PAGE}`, import.meta.url);
writeFileSync(doctorPage, withDoctorTable(readFileSync(doctorPage, 'utf8')));
