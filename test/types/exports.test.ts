/** A user can import each type of a public signature from where the signature is. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reachedDeclarations } from '../helpers/reached-declarations.js';
import test from '../helpers/sanitary.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface PackageFile {
  readonly exports: Readonly<Record<string, string | { readonly types?: string }>>;
}

const packageFile: PackageFile = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const entries = Object.values(packageFile.exports).flatMap((entry) =>
  typeof entry === 'object' && entry.types !== undefined ? [entry.types] : [],
);

/** A declaration file without comments. */
function declarationsIn(path: string): string {
  return readFileSync(path, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '');
}

/** The names in `import { a, type b } from './c.js'` or the same with `export`, with their files. */
function namesFrom(text: string, path: string, keyword: 'import' | 'export'): Map<string, string> {
  const statements = text.matchAll(
    new RegExp(`^${keyword} (?:type )?\\{([^}]*)\\} from '(\\.[^']*)\\.js';`, 'gm'),
  );
  return new Map(
    [...statements].flatMap(([, names = '', module = '']) =>
      names.split(',').flatMap((name): [string, string][] => {
        const word = name.trim().replace(/^type /, '');
        return word === '' ? [] : [[word, join(dirname(path), `${module}.d.ts`)]];
      }),
    ),
  );
}

/** The names of a file's own declarations, and their texts. */
function ownDeclarations(text: string): Map<string, string> {
  const parts = text
    .split(/^(?=(?:export )?(?:declare |abstract )*(?:class|interface|type|function|const|enum) )/m)
    .slice(1);
  const declarations = new Map<string, string>();
  for (const part of parts) {
    const name =
      /^(?:export )?(?:declare |abstract )*(?:class|interface|type|function|const|enum) (\w+)/.exec(
        part,
      )?.[1] ?? '';
    declarations.set(name, `${declarations.get(name) ?? ''}${part}`);
  }
  return declarations;
}

/** Names of which users see the result only: a table becomes plain members, or the union of its keys. */
const COMPUTED = new Set([
  'EndpointTrust',
  'MetricRegistry',
  'NO_CLOSES',
  'GivenEndpointCache',
  'GivenRetry',
  'Option',
  'OptionsOf',
  'RequiredOption',
  'SettingsOf',
  'TargetCounts',
]);

/** The text of a declaration, and of the tables of options that it derives from. */
function withTables(name: string, file: string): string {
  const text = declarationsIn(file);
  const declared = ownDeclarations(text).get(name) ?? '';
  const imported = namesFrom(text, file, 'import');
  const tables = [...declared.matchAll(/typeof (\w+)/g)].map(([, table = '']) =>
    withTables(table, imported.get(table) ?? file),
  );
  return [declared, ...tables].join('\n').replaceAll(/import\("[^"]*"\)\./g, '');
}

/** The names that an entry exports, those of `export * from` included, with their files. */
function exportsOf(path: string): Map<string, string> {
  const text = declarationsIn(path);
  const wholesale = [...text.matchAll(/^export \* from '(\.[^']*)\.js';/gm)].map(([, module = '']) =>
    exportsOf(join(dirname(path), `${module}.d.ts`)),
  );
  const own = [...ownDeclarations(text)].filter(([, declared]) => declared.startsWith('export '));
  return new Map([
    ...wholesale.flatMap((names) => [...names]),
    ...namesFrom(text, path, 'export'),
    ...own.map(([name]): [string, string] => [name, path]),
  ]);
}

/** Types of the index, which a caller of another entry has at hand. */
const OF_THE_INDEX = new Set(['BrokerPool']);

/** Types that the signatures of an entry mention, and that it does not export. */
function missingIn(entry: string): string[] {
  const path = join(ROOT, entry);
  const exported = exportsOf(path);
  const missing = new Set<string>();
  for (const [name, file] of exported) {
    const text = declarationsIn(file);
    const known = new Set([...namesFrom(text, file, 'import').keys(), ...ownDeclarations(text).keys()]);
    for (const [word] of withTables(name, file).matchAll(/\b[A-Z]\w*\b/g)) {
      if (known.has(word) && ![exported, COMPUTED, OF_THE_INDEX].some((names) => names.has(word)))
        missing.add(`${word}, of ${name}`);
    }
  }
  return [...missing];
}

for (const entry of entries) {
  test(`${entry} exports every type that its signatures mention`, (t) => {
    t.deepEqual(missingIn(entry), []);
  });
}

test('no declaration that an entry reaches names a rule of the protocol', (t) => {
  const reached = [...reachedDeclarations(ROOT)];
  t.true(reached.length > 50);
  t.deepEqual(
    reached.filter((path) => /\b[A-Z]-\d\d\b/.test(readFileSync(path, 'utf8'))),
    [],
  );
});
