/** `npm run generate:docs`: writes the tables of options in docs/pool.md and docs/backend.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { backendOptionDocs, poolOptionDocs, withOptionTables } from './option-tables.js';

for (const [name, docs] of [
  ['pool', poolOptionDocs()],
  ['backend', backendOptionDocs()],
] as const) {
  const page = new URL(`../../../docs/${name}.md`, import.meta.url);
  writeFileSync(page, withOptionTables(readFileSync(page, 'utf8'), docs));
}
