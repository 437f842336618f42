import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { ExecutionContext } from 'ava';
import { NO_CLOSES } from '../src/pool/close-reason.js';
import { RefusalCode } from '../src/wire/messages.js';
import { ROOT, textsIn } from './documents/texts.js';
import { sourcesIn } from './helpers/imports.js';
import { METRICS_PAGE, withMetricTable } from './helpers/metric-tables.js';
import {
  OPTION_KINDS,
  OPTION_PAGES,
  optionsShownOn,
  optionDocs,
  withOptionTables,
} from './helpers/option-tables.js';
import test from './helpers/sanitary.js';

const packageFile: { exports: object; scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
);

/** The words of a union of string literals, as its declaration in the source lists them. */
function unionIn(source: string, name: string): string[] {
  const declaration = new RegExp(`^export type ${name} =([^;]*);`, 'm').exec(source)?.[1] ?? '';
  return [...declaration.matchAll(/'(\w+)'/g)].map(([, word]) => word ?? '');
}

/** The rows of a table below a heading: its first column, and the whole row. */
function rowsBelow(page: string, heading: string): Map<string, string> {
  const section = page
    .slice(page.indexOf(`\n${heading}\n`))
    .split(/\n#+ /, 2)
    .join('');
  return new Map([...section.matchAll(/^\| `(\w+)` \|.*$/gm)].map(([row, name = '']) => [name, row]));
}

const ERRORS_PAGE = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
const ERRORS_SOURCE = readFileSync(join(ROOT, 'src/errors.ts'), 'utf8');

test('docs/errors.md has a row for each code and for each phase, and for no others', (t) => {
  for (const [heading, union] of [
    ['## Codes', 'ErrorCode'],
    ['## Phases of a `TIMEOUT`', 'TimeoutPhase'],
  ] as const) {
    const words = unionIn(ERRORS_SOURCE, union);
    t.true(words.length > 0);
    t.deepEqual([...rowsBelow(ERRORS_PAGE, heading).keys()].toSorted(), words.toSorted());
  }
});

test('the codes that docs/errors.md calls reserved are those that nothing throws', (t) => {
  const sources = ['src', 'workers'].flatMap((folder) => textsIn(folder)).join('\n');
  for (const [code, row] of rowsBelow(ERRORS_PAGE, '## Codes')) {
    // Once in the union itself.
    const thrown = sources.split(`'${code}'`).length > 2;
    t.is(row.includes('Reserved'), !thrown, code);
  }
});

test('docs/errors.md has a row for each code of a refusal', (t) => {
  const listed = [...ERRORS_PAGE.matchAll(/^\| (\d+) `(\w+)` \|/gm)].map(([, code, name]) => [
    name,
    Number(code),
  ]);
  t.deepEqual(listed, Object.entries(RefusalCode).slice(1));
});

const POOL_PAGE = readFileSync(join(ROOT, 'docs/pool.md'), 'utf8');

test('docs/pool.md lists each reason for which a connection closes, in the row of closedByReason', (t) => {
  const [, listed = ''] = /^\| `closedByReason` \|([^|]*)\|/m.exec(POOL_PAGE) ?? [];
  sameNames(t, wordsIn(listed), Object.keys(NO_CLOSES));
});

test('docs/events.md has a row for each reason for which a connection closes, and for no other', (t) => {
  const rows = rowsBelow(readFileSync(join(ROOT, 'docs/events.md'), 'utf8'), '## Close reasons');
  sameNames(t, [...rows.keys()], Object.keys(NO_CLOSES));
});

test('docs/events.md has a row for each event, which names each field of its own', (t) => {
  const source = readFileSync(join(ROOT, 'src/pool/watching/events.ts'), 'utf8');
  const page = readFileSync(join(ROOT, 'docs/events.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)];
  const [, events = ''] = /^export interface PoolEvents \{(.*?)^\}/ms.exec(source) ?? [];
  const declared = [...events.matchAll(/^ {2}(\w+): (\w+);/gm)];
  t.true(declared.length > 0);
  for (const [, name, type = ''] of declared) {
    const row = rows.find(([, event]) => event === name);
    t.truthy(row, name);
    t.deepEqual(
      fieldsOf(source, type).filter((field) => !wordsIn(row?.[2] ?? '').includes(field)),
      [],
      name,
    );
  }
});

/** The fields that the interface of an event has beyond those of all events, which the page names above the table. */
function fieldsOf(source: string, type: string): string[] {
  const [, base = '', body = ''] =
    new RegExp(`^export interface ${type} extends (\\w+) \\{(.*?)^\\}`, 'ms').exec(source) ?? [];
  const own = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field ?? '');
  return [...(base === '' ? [] : fieldsOf(source, base)), ...own].filter((field) => field !== 'target');
}

/** Compares lists in any order. A failure shows only the names that differ. */
function sameNames(t: ExecutionContext, listed: string[], expected: string[], next?: string): void {
  const missing = expected.filter((name) => !listed.includes(name));
  const unknown = listed.filter((name) => !expected.includes(name));
  const twice = listed.filter((name, index) => listed.indexOf(name) !== index);
  t.deepEqual({ missing, unknown, twice }, { missing: [], unknown: [], twice: [] }, next);
}

/** The page is as `npm run generate:docs` writes it. A failure shows only the lines that would be new. */
function sameAsGenerated(t: ExecutionContext, page: string, generated: string): void {
  const lines = page.split('\n');
  const next = 'run npm run generate:docs';
  t.deepEqual(
    generated.split('\n').filter((line) => !lines.includes(line)),
    [],
    next,
  );
  t.true(generated === page, next);
}

/** The words in backticks. */
function wordsIn(text: string): string[] {
  return [...text.matchAll(/`(\w+)`/g)].map(([, word]) => word ?? '');
}

for (const { kind, page } of OPTION_KINDS)
  test(`each ${kind} option is in one table of ${page}`, (t) => {
    const shown = optionsShownOn(readFileSync(join(ROOT, page), 'utf8'), kind);
    const marker = `<!-- ${kind === 'pool' ? '' : `${kind} `}options: … -->`;
    const next = `name it in a comment ${marker} of ${page}, then npm run generate:docs`;
    sameNames(t, shown, [...optionDocs(kind).keys()], next);
  });

/** The code of src without comments, and without the tables that declare options. */
const CODE = sourcesIn('src')
  .map(({ text }) => text.replaceAll(/^(?:export )?const \w+ = \{\n.*?^\}/gms, ''))
  .join('\n');

/** Whether code takes a member of that name, by a dot or by a pattern; of which object is not looked at. */
function isReadIn(code: string, name: string): boolean {
  return new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}:=]`).test(code);
}

for (const { kind } of OPTION_KINDS)
  test(`src reads a member with the name of each ${kind} option`, (t) => {
    const unread = [...optionDocs(kind).keys()].filter((name) => !isReadIn(CODE, name));
    t.deepEqual(unread, [], 'an option that no code reads has no effect');
  });

test('a member is read by a dot or by a pattern, and not by a type or a name in quotes', (t) => {
  for (const code of [
    'settings.max < 1',
    'const { max } = it',
    'const { min, max: most } = it',
    '({ max = 1 }) => 0',
  ])
    t.true(isReadIn(code, 'max'), code);
  for (const code of [
    'readonly max: number',
    "needing(['max'], 1)",
    '{ max?: number }',
    'it.maxUses',
    'max()',
  ])
    t.false(isReadIn(code, 'max'), code);
});

/** Entries whose page has another name. */
const PAGES: Readonly<Record<string, string>> = {
  '.': 'pool',
  './inspection': 'top',
  './opentelemetry': 'metrics',
  './prometheus': 'metrics',
};

/** The page of each entry of the package. */
const ENTRY_PAGES = new Set(
  Object.keys(packageFile.exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => `docs/${PAGES[entry] ?? entry.slice(2)}.md`),
);

for (const path of ENTRY_PAGES)
  test(`${path} has the shape of the page of an entry, which test/documents/README.md describes`, (t) => {
    const page = readFileSync(join(ROOT, path), 'utf8');
    const sections = [...page.matchAll(/^## (.*)$/gm)].map(([, title = '']) => title);
    const [example, options, methods, ...others] = sections;
    t.deepEqual([example, options, ...others.slice(-2)], ['Example', 'Options', 'Errors', 'See also']);
    t.regex(methods ?? '', /^(?:Methods|Functions)$/);
    t.regex(page, /^## Example\n(?:(?!^## )[\s\S])*^```[jt]s$/m);
    const errors = page.slice(page.indexOf('\n## Errors\n'), page.indexOf('\n## See also\n'));
    const codes = [...errors.matchAll(/^\| (`[A-Z].*?) \|/gm)].flatMap(([, cell = '']) =>
      wordsIn(cell).filter((word) => /^[A-Z_]+$/.test(word)),
    );
    t.true(codes.length > 0);
    t.deepEqual(
      codes.filter((code) => !unionIn(ERRORS_SOURCE, 'ErrorCode').includes(code)),
      [],
    );
  });

test('each option that a page shows has a default, but for those that must be given', (t) => {
  const without = OPTION_KINDS.flatMap(({ kind }) =>
    [...optionDocs(kind)]
      .filter(([, { fallback, isRequired }]) => fallback === '' && !isRequired)
      .map(([name]) => `${kind}: ${name}`),
  );
  t.deepEqual(without, [], 'give the JSDoc of the option a @default');
});

test('the table of metrics is the one that `npm run generate:docs` writes', (t) => {
  const page = readFileSync(join(ROOT, METRICS_PAGE), 'utf8');
  t.true(page.includes('<!-- metrics -->'));
  sameAsGenerated(t, page, withMetricTable(page));
});

for (const path of OPTION_PAGES)
  test(`the tables of options in ${path} are those that \`npm run generate:docs\` writes`, (t) => {
    const page = readFileSync(join(ROOT, path), 'utf8');
    sameAsGenerated(t, page, withOptionTables(page));
  });

test('docs/testing.md has a row for each behaviour of a broker, and for each field of a service', (t) => {
  const page = readFileSync(join(ROOT, 'docs/testing.md'), 'utf8');
  const behaviours = readFileSync(join(ROOT, 'src/testing/behaviour.ts'), 'utf8');
  const kinds = [...behaviours.matchAll(/readonly kind: '(\w+)'/g)].map(([, kind = '']) => kind);
  t.deepEqual([...rowsBelow(page, '## Behaviours').keys()].toSorted(), kinds.toSorted());
  const rules = readFileSync(join(ROOT, 'src/testing/hello-rules.ts'), 'utf8');
  const [, service = ''] = /^export interface EmbeddedService \{(.*?)^\}/ms.exec(rules) ?? [];
  const fields = [...service.matchAll(/^ {2}readonly (\w+)/gm)].map(([, field = '']) => field);
  t.deepEqual([...rowsBelow(page, '### A service').keys()].toSorted(), fields.toSorted());
});

/** All documents, by their paths. */
const FOLDERS = ['.', 'docs', 'docs/decisions', 'docs/guides', 'bench', 'proto', 'test'];
const DOCUMENTS = FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join(folder, name)),
);

test('each file and folder of the repository that a document names exists', (t) => {
  const missing = DOCUMENTS.flatMap((document) =>
    [
      ...readFileSync(join(ROOT, document), 'utf8').matchAll(
        /`((?:src|test|workers|bench|docs|proto)\/[\w./-]*)`/g,
      ),
    ]
      .map(([, path = '']) => path.replace(/\.js$/, '.ts'))
      .filter((path) => !path.startsWith('bench/results/'))
      .filter(
        (path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, path.replace(/\.ts$/, '.js'))),
      )
      .map((path) => `${document}: ${path}`),
  );
  t.deepEqual(missing, []);
});

test('each ratio of the README is one of the table in docs/latency.md', (t) => {
  const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');
  const [, table = ''] =
    /<!-- targets: begin -->(.*)<!-- targets: end -->/s.exec(read('docs/latency.md')) ?? [];
  const measured = new Set([...table.matchAll(/ \| ([\d.]+) \| /g)].map(([, ratio]) => ratio));
  const quoted = [...read('README.md').matchAll(/\b([\d.]+) times\b/g)].map(([, ratio]) => ratio);
  t.true(quoted.length > 5);
  t.deepEqual(
    quoted.filter((ratio) => !measured.has(ratio)),
    [],
    'a newer run has others: correct the README',
  );
});

test('each npm script that a document names exists', (t) => {
  const { scripts } = packageFile;
  const missing = DOCUMENTS.flatMap((document) =>
    [...readFileSync(join(ROOT, document), 'utf8').matchAll(/npm run (?:--silent )?([a-z\d:-]+)/g)]
      .filter(([, name = '']) => !(name in scripts))
      .map(([command]) => `${document}: ${command}`),
  );
  t.deepEqual(missing, []);
});

/** Folders and files whose sentences must name a subject. */
const WITH_SUBJECTS = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'bench',
  'docs',
  'docs/protocol.md',
  'examples',
  'proto/README.md',
  'src',
  'test',
  'workers',
];

test('documents and sources name their subjects: they use no indefinite pronoun for one', (t) => {
  const found = WITH_SUBJECTS.flatMap((path) =>
    (path.endsWith('.md') ? [readFileSync(join(ROOT, path), 'utf8')] : textsIn(path)).flatMap((text) =>
      [...text.matchAll(/^.*\b(?:who(?:ever)|(?:some|no|any)body)\b.*$/gim)].map(
        ([line]) => `${path}: ${line.trim()}`,
      ),
    ),
  );
  t.deepEqual(found, []);
});

const BARE_OPENING = /^(?:Of|That of|Those|Its?|They|Theirs?)\b/;

/** The first line of each comment, without its marks. */
function commentOpenings(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, index) => {
    const before = lines[index - 1] ?? '';
    if (line.startsWith('* ')) return before === '/**' ? [line.slice(2)] : [];
    const [, opening] = /(?:^|\s)(?:\/\/|\/\*\*) (.*)$/.exec(line) ?? [];
    return opening === undefined || (line.startsWith('//') && before.startsWith('//')) ? [] : [opening];
  });
}

test('no comment of src and workers begins with a pronoun or with "Of": its first word says what it is about', (t) => {
  const found = ['src', 'workers'].flatMap((folder) =>
    textsIn(folder, /\.ts$/)
      .flatMap(commentOpenings)
      .filter((opening) => BARE_OPENING.test(opening))
      .map((opening) => `${folder}: ${opening}`),
  );
  t.deepEqual(found, []);
});

/** Rules of the protocol and nothing else, up to the end of the comment. */
const RULES_ALONE = /^[A-Z]-\d\d(?:(?:, | to | and )[A-Z]-\d\d)*\.?(?: \*\/)?$/;

test('no comment of src and workers opens with a line of rules alone: the reason stands beside them', (t) => {
  t.regex('W-33.', RULES_ALONE);
  t.regex('C-22, C-24 to C-26. */', RULES_ALONE);
  t.notRegex('N-20: the name becomes a part of the endpoint.', RULES_ALONE);
  const found = ['src', 'workers'].flatMap((folder) =>
    textsIn(folder, /\.ts$/)
      .flatMap(commentOpenings)
      .filter((opening) => RULES_ALONE.test(opening))
      .map((opening) => `${folder}: ${opening}`),
  );
  t.deepEqual(found, []);
});

test('the opening of a comment is found in each of its forms, and only there', (t) => {
  const source = `
    // One.
    // Its second line.
    /** Two. */
    /**
     * Three.
     * It goes on.
     */
    const url = 'https://example.org'; // Four.`;
  t.deepEqual(commentOpenings(source), ['One.', 'Two. */', 'Three.', 'Four.']);
});

/** Each source that is not generated, comments included, without the line break at its end. */
const writtenSources = sourcesIn('src')
  .filter(({ path }) => !path.startsWith('src/wire/gen/'))
  .map(({ path }) => ({ path, lines: readFileSync(join(ROOT, path), 'utf8').trimEnd().split('\n') }));

test('no line of the sources is longer than 120 characters', (t) => {
  const long = writtenSources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (line.length > 120 ? [`${path}:${index + 1}`] : [])),
  );
  t.deepEqual(long, [], 'run npm run format');
});

test('no file of the sources has more than 280 lines', (t) => {
  t.deepEqual(
    writtenSources.filter(({ lines }) => lines.length > 280).map(({ path }) => path),
    [],
  );
});
