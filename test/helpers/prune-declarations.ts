/**
 * Part of `npm run prepare`: removes the declarations that no entry of the package reaches. They are a seventh of
 * the package, and no program can import them.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reachedDeclarations } from './reached-declarations.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const reached = reachedDeclarations(ROOT);
const sources = join(ROOT, 'dist/src');
for (const name of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
  const path = join(sources, name);
  if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
}
