import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from './helpers/sanitary.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where rules of the protocol are cited, comments included. */
const CITING = ['src', 'workers', 'test', 'bench', 'docs'];
const WRITTEN_BY_HAND = /\.(?:ts|rs|md)$/;
const NOT_OURS = /(?:^|[\\/])(?:node_modules|target|gen)[\\/]|^protocol\.md$/;
/** An id, or the first and the last of several in a row. G-01 and its like are the promises of docs/reliability.md. */
const RULES = /\b(?!G-)([A-Z])-(\d\d)(?:(?: to |\.\.)\1-(\d\d))?\b/g;
const RULE_ROW = /^\| ([A-Z]-\d\d) \|/gm;

function textsIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => WRITTEN_BY_HAND.test(name) && !NOT_OURS.test(name))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
}

function rulesIn(text: string): string[] {
  return [...text.matchAll(RULES)].flatMap(([, group, first, last = first]) => {
    const count = Number(last) - Number(first) + 1;
    return Array.from({ length: count }, (_, index) => `${group}-${String(Number(first) + index).padStart(2, '0')}`);
  });
}

test('a row of rules is read as all of them', (t) => {
  t.deepEqual(rulesIn('as V-51 to V-53 say, D-03..D-04 too; C-40 (G-01), S-1-5-18'), ['V-51', 'V-52', 'V-53', 'D-03', 'D-04', 'C-40']);
});

test('every rule of the protocol that is cited has one line in docs/protocol.md, and every line is cited', (t) => {
  const explained = [...readFileSync(join(ROOT, 'docs/protocol.md'), 'utf8').matchAll(RULE_ROW)].map((match) => match[1] ?? '');
  const cited = new Set(CITING.flatMap(textsIn).flatMap(rulesIn));
  t.deepEqual(explained, [...new Set(explained)], 'a rule is explained twice');
  t.deepEqual([...cited].filter((id) => !explained.includes(id)), []);
  t.deepEqual(explained.filter((id) => !cited.has(id)), []);
});
