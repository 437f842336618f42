import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from '../helpers/sanitary.js';

const DECLARATIONS = fileURLToPath(new URL('../../src/', import.meta.url));

/** Declarations without comments and texts, in which the word may stand. */
function codeOf(path: string): string {
  return readFileSync(path, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/'[^']*'/g, '');
}

test('no declaration has a type that is any', (t) => {
  // That of the generated code is reached through broker-v1-typed alone, which gives it types.
  const generated = join('wire', 'gen', 'broker-v1.d.ts');
  const files = readdirSync(DECLARATIONS, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.d.ts') && name !== generated,
  );
  t.true(files.length > 100);
  t.deepEqual(
    files.filter((name) => /\bany\b/.test(codeOf(join(DECLARATIONS, name)))),
    [],
  );
});
