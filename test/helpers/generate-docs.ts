/** `npm run generate:docs`: writes the tables of options and of metrics in the documents. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withMetricTable } from './metric-tables.js';
import { OPTION_PAGES, withOptionTables } from './option-tables.js';

for (const path of OPTION_PAGES) {
  const page = new URL(`../../../${path}`, import.meta.url);
  writeFileSync(page, withMetricTable(withOptionTables(readFileSync(page, 'utf8'))));
}
