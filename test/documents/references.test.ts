/** What the documents name exists, and what a reader looks for is named. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { COMMANDS } from '../../src/cli/commands.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { onWindows, POSIX, testWhere } from '../helpers/test-where.js';
import { USER_DOCUMENTS } from './blocks.js';
import { ROOT } from './texts.js';

const LIMIT_MS = scaled(40_000);

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The codes that something throws. */
const CODES = [...rowsOf(read('docs/errors.md')).matchAll(/^\| `(\w+)` \|(.*)$/gm)].flatMap(
  ([, code = '', row = '']) => (row.includes('Reserved') ? [] : [code]),
);

function rowsOf(page: string): string {
  return page.slice(page.indexOf('\n## Codes\n'), page.indexOf('\n## Phases'));
}

test('the README links each guide, and the page of each entry', (t) => {
  const readme = read('README.md');
  const { exports }: { exports: object } = JSON.parse(read('package.json'));
  const entries = Object.keys(exports).filter((entry) => /^\.\/\w+$/.test(entry));
  t.deepEqual(
    entries.filter((entry) => !readme.includes(`[\`${entry.slice(1)}\`](docs/`)),
    [],
  );
  t.deepEqual(
    readdirSync(join(ROOT, 'docs/guides')).filter((name) => !readme.includes(`(docs/guides/${name})`)),
    [],
  );
});

test('each command of the command line that a document names exists', (t) => {
  const names = COMMANDS.map(({ name }) => name.split(' ')[0]);
  const unknown = USER_DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/npx broker-pool ([a-z]+)/g)]
      .filter(([, name = '']) => !names.includes(name))
      .map(([command]) => `${document}: ${command}`),
  );
  t.deepEqual(unknown, []);
});

test('the guide to troubleshooting has a row for each code', (t) => {
  const guide = read('docs/guides/troubleshooting.md');
  const rows = guide.slice(guide.indexOf('\n## By code\n'), guide.indexOf('\n## Symptoms'));
  t.true(CODES.length > 20);
  t.deepEqual(
    CODES.filter((code) => !rows.includes(`\`${code}\``)),
    [],
  );
});

/** The words with which messages say what to do. */
const NEXT_STEP =
  /\b(?:allow|check|come back|compare|define|give|let|must|needs|mend|restart|see|start|stop|unset|use) /i;

testWhere(!onWindows, POSIX)(
  'the example of errors reaches each code that Node can reach, and each message says what to do',
  async (t) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, 'dist/examples/errors.js')],
      { timeout: LIMIT_MS, env: { ...process.env, BROKER_POOL_FFI: '0' } },
    );
    const reached = [...stdout.matchAll(/^([A-Z_]+): /gm)].map(([, code = '']) => code);
    t.deepEqual(reached.toSorted(), CODES.filter((code) => code !== 'UNSUPPORTED_RUNTIME').toSorted());
    t.is(stderr, '');
    for (const line of stdout
      .trim()
      .split('\n')
      .filter((one) => !one.startsWith('ABORTED')))
      t.regex(line, NEXT_STEP);
  },
);

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const headings = page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('each section that a document links exists', (t) => {
  const broken = USER_DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)]
      .filter(([, path = '', anchor = '']) => {
        const target = path === '' ? document : posix.join(posix.dirname(document), path);
        return !anchorsOf(read(target)).has(anchor);
      })
      .map(([link]) => `${document}: ${link}`),
  );
  t.deepEqual(broken, []);
});
