/** `npm run generate:docs`: writes the tables of options in docs/pool.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withOptionTables } from './option-tables.js';

const PAGE = new URL('../../../docs/pool.md', import.meta.url);
writeFileSync(PAGE, withOptionTables(readFileSync(PAGE, 'utf8')));
