/** The rules of the protocol that the repository cites are those that docs/protocol.md explains. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from '../helpers/sanitary.js';
import { ROOT, textsIn } from './texts.js';

/** Where rules of the protocol are cited, comments included. */
const CITING = ['src', 'workers', 'test', 'bench', 'docs'];
/**
 * An id, or the first and the last of several in a row. G-01 and its like are the promises of
 * docs/reliability.md.
 */
const RULES = /\b(?!G-)([A-Z])-(\d\d)(?:(?: to |\.\.)\1-(\d\d))?\b/g;
const RULE_ROW = /^\| ([A-Z]-\d\d) \|/gm;

function rulesIn(text: string): string[] {
  return [...text.matchAll(RULES)].flatMap(([, group, first, last = first]) => {
    const count = Number(last) - Number(first) + 1;
    return Array.from(
      { length: count },
      (_, index) => `${group}-${String(Number(first) + index).padStart(2, '0')}`,
    );
  });
}

const PAGE = readFileSync(join(ROOT, 'docs/protocol.md'), 'utf8');
const EXPLAINED = [...PAGE.matchAll(RULE_ROW)].map(([, id = '']) => id);
const [, UNTESTED_PART = ''] =
  /^### Rules of sessions and backends without [^\n]*\n(.*?)^### /ms.exec(PAGE) ?? [];
/** The rules of which docs/protocol.md says why they have no test. */
const UNTESTED: ReadonlySet<string> = new Set(UNTESTED_PART.split('\n- ').slice(1).flatMap(rulesIn));

test('a row of rules is read as all of them', (t) => {
  t.deepEqual(rulesIn('as V-51 to V-53 say, D-03..D-04 too; C-40 (G-01), S-1-5-18'), [
    'V-51',
    'V-52',
    'V-53',
    'D-03',
    'D-04',
    'C-40',
  ]);
});

test('every rule of the protocol that is cited has one line in docs/protocol.md, and every line is cited', (t) => {
  const cited = new Set([...CITING.flatMap((folder) => textsIn(folder)).flatMap(rulesIn), ...UNTESTED]);
  t.deepEqual(EXPLAINED, [...new Set(EXPLAINED)], 'a rule is explained twice');
  t.deepEqual(
    [...cited].filter((id) => !EXPLAINED.includes(id)),
    [],
  );
  t.deepEqual(
    EXPLAINED.filter((id) => !cited.has(id)),
    [],
  );
});

/** The first rules about sessions and backends. */
const FIRST_OF_BACKENDS: Readonly<Record<string, string>> = {
  S: 'S-40',
  P: 'P-20',
  H: 'H-30',
  L: 'L-20',
  D: 'D-20',
};

test('every rule of sessions and backends is cited by a test, or docs/protocol.md says why not', (t) => {
  const tested = new Set(textsIn('test', /\.test\.ts$/).flatMap(rulesIn));
  const rules = EXPLAINED.filter((id) => id >= (FIRST_OF_BACKENDS[id.charAt(0)] ?? 'Z'));
  t.true(rules.length > 70);
  t.deepEqual(
    rules.filter((id) => !tested.has(id) && !UNTESTED.has(id)),
    [],
  );
});
