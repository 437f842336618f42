/**
 * Part of `npm run prepare`: removes the declarations that no entry of the package reaches. They are a seventh of
 * the package, and no program can import them.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const IMPORT = /(?:\bfrom |\bimport ?\(?)['"](\.[^'"]+)\.js['"]/g;

const reached = new Set<string>();

function reach(path: string): void {
  if (reached.has(path) || !existsSync(path)) return;
  reached.add(path);
  for (const [, imported = ''] of readFileSync(path, 'utf8').matchAll(IMPORT))
    reach(join(dirname(path), `${imported}.d.ts`));
}

const packageFile: { exports: Record<string, string | { types?: string }> } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
);
for (const entry of Object.values(packageFile.exports))
  if (typeof entry === 'object' && entry.types !== undefined) reach(normalize(join(ROOT, entry.types)));

const sources = join(ROOT, 'dist/src');
for (const name of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
  const path = join(sources, name);
  if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
}
