import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sourcesIn } from '../helpers/imports.js';
import test from '../helpers/sanitary.js';

const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));

/** A row of the table of promises begins with its id. */
const PROMISE_ROW = /^\| (G-\d+) \|/gm;
const PROMISE = /\bG-\d+\b/g;
/** How src/os declares a C function, the result first. */
const C_FUNCTION = /'(?:int|intptr_t) (\w+)\([^']*\)'/g;

function idsIn(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map((match) => match.at(-1) ?? ''));
}

test('every promise of docs/reliability.md is cited by a test, and no test cites one that is not there', (t) => {
  const promised = idsIn(readFileSync(`${DOCS}reliability.md`, 'utf8'), PROMISE_ROW);
  const cited = idsIn(
    sourcesIn('test')
      .map(({ text }) => text)
      .join('\n'),
    PROMISE,
  );
  t.true(promised.size > 0);
  t.deepEqual(
    [...cited].filter((id) => !promised.has(id)),
    [],
  );
  t.deepEqual(
    [...promised].filter((id) => !cited.has(id)),
    [],
  );
});

test('docs/security.md lists every C function that src/os declares', (t) => {
  const page = readFileSync(`${DOCS}security.md`, 'utf8');
  const list = page.slice(page.indexOf('## What the FFI touches'));
  const declared = idsIn(
    sourcesIn('src/os')
      .map(({ text }) => text)
      .join('\n'),
    C_FUNCTION,
  );
  t.true(declared.size > 0);
  t.deepEqual(
    [...declared].filter((name) => !new RegExp(`\`${name}[(\`]`).test(list)),
    [],
  );
});
