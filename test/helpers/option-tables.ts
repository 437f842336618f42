/** The tables of options with the documentation that stands above their entries. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Where the JSDoc of options stands, by the word that a marker has before "options", and the page that shows
 * them all.
 */
const SOURCES = {
  pool: {
    page: 'docs/pool.md',
    tables: [
      ['src/pool/options.ts', 'poolOptions'],
      ['src/broker-options/common-options.ts', 'brokerOptions'],
      ['src/broker-options/common-options.ts', 'negotiationOptions'],
      ['src/broker-options/client-identity.ts', 'identityOptions'],
    ],
  },
  connect: {
    page: 'docs/connect.md',
    tables: [
      ['src/client/connect.ts', 'connectOptions'],
      ['src/broker-options/common-options.ts', 'brokerOptions'],
      ['src/broker-options/common-options.ts', 'negotiationOptions'],
      ['src/broker-options/client-identity.ts', 'identityOptions'],
      ['src/broker-options/common-options.ts', 'cancelOptions'],
    ],
  },
  socket: {
    page: 'docs/connect.md',
    tables: [
      ['src/client/connect-local-socket.ts', 'localSocketOptions'],
      ['src/broker-options/common-options.ts', 'cancelOptions'],
    ],
  },
  admin: {
    page: 'docs/connect.md',
    tables: [
      ['src/client/admin.ts', 'adminOptions'],
      ['src/broker-options/common-options.ts', 'brokerOptions'],
      ['src/broker-options/common-options.ts', 'cancelOptions'],
    ],
  },
  endpoint: { page: 'docs/connect.md', tables: [['src/broker-options/endpoints.ts', 'endpointNameOptions']] },
  instrument: { page: 'docs/metrics.md', tables: [['src/metrics/opentelemetry.ts', 'instrumentOptions']] },
  collector: { page: 'docs/metrics.md', tables: [['src/metrics/prometheus.ts', 'collectorOptions']] },
  publish: { page: 'docs/top.md', tables: [['src/inspection/publish-pools.ts', 'publishOptions']] },
  session: { page: 'docs/frames.md', tables: [['src/frames/options.ts', 'sessionOptions']] },
  request: { page: 'docs/frames.md', tables: [['src/frames/options.ts', 'requestOptions']] },
  target: { page: 'docs/http.md', tables: [['src/pool/options.ts', 'targetOptions']] },
  backend: {
    page: 'docs/backend.md',
    tables: [
      ['src/backend/options.ts', 'backendOptions'],
      ['src/backend/options.ts', 'closeOptions'],
      ['src/backend/definition/install.ts', 'definitionOptions'],
    ],
  },
  system: {
    page: 'docs/testing.md',
    tables: [
      ['src/testing/options.ts', 'systemOptions'],
      ['src/testing/test-system.ts', 'testSystemOptions'],
    ],
  },
  spawn: {
    page: 'docs/testing.md',
    tables: [
      ['src/testing/options.ts', 'systemOptions'],
      ['src/testing/spawned-system.ts', 'spawnOptions'],
    ],
  },
  listener: { page: 'docs/testing.md', tables: [['src/testing/options.ts', 'listenerOptions']] },
  broker: { page: 'docs/testing.md', tables: [['src/testing/options.ts', 'brokerOptions']] },
  echo: { page: 'docs/testing.md', tables: [['src/testing/options.ts', 'backendOptions']] },
} as const;

type Kind = keyof typeof SOURCES;

/** Each kind of options with the page that shows it. */
export const OPTION_KINDS = Object.entries(SOURCES).map(([kind, { page }]) => ({ kind, page }));

/** The pages with tables of options. */
export const OPTION_PAGES = [...new Set(OPTION_KINDS.map(({ page }) => page))];

function isKind(word: string): word is Kind {
  return word in SOURCES;
}

/** The JSDoc of an option. */
export interface OptionDoc {
  readonly text: string;
  /** `@default` */
  readonly fallback: string;
  /** `@see`: a page below `docs`, with an anchor or without. */
  readonly page: string | undefined;
  /** The option must be given, and has no default. */
  readonly isRequired: boolean;
  /** Options without which this one is refused; one of them is enough. */
  readonly needs: readonly string[];
}

/** JSDoc, name, `required(`, and the names in `needing([…]`. */
const ENTRY =
  /^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}(\w+):(\s+required\()?(?:\s+needing\(\s*\[([^\]]*)\])?/gm;

/** The entries of the table `name` in a source file. Each has JSDoc. */
function docsIn(file: string, name: string): [string, OptionDoc][] {
  const source = readFileSync(`${ROOT}${file}`, 'utf8');
  const [, table] = new RegExp(`^(?:export )?const ${name} = \\{\\n(.*?)^\\};`, 'ms').exec(source) ?? [];
  if (table === undefined) throw new Error(`${file} has no table ${name}`);
  const docs = [...table.matchAll(ENTRY)].map(
    ([, comment = '', option = '', required, needs = '']): [string, OptionDoc] => [
      option,
      {
        ...parseDoc(comment),
        isRequired: required !== undefined,
        needs: needs.match(/\w+/g) ?? [],
      },
    ],
  );
  for (const [, option = ''] of table.matchAll(/^ {2}(\w+):/gm))
    if (!docs.some(([documented]) => documented === option))
      throw new Error(`${option} of ${name} in ${file} has no JSDoc`);
  return docs;
}

function parseDoc(comment: string): Omit<OptionDoc, 'isRequired' | 'needs'> {
  const words = comment
    .replaceAll(/\n\s*\*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\{@link (\S+?)\}/g, '`$1`')
    .trim();
  const [, text = '', fallback = '', page] =
    /^(.*?)(?: @default (.*?))?(?: @see docs\/(\S+))?$/.exec(words) ?? [];
  return { text, fallback, page };
}

/** The JSDoc of each option. */
export function optionDocs(kind: string = 'pool'): Map<string, OptionDoc> {
  if (!isKind(kind)) throw new Error(`there are no ${kind} options`);
  return new Map(SOURCES[kind].tables.flatMap(([file, name]) => docsIn(file, name)));
}

/** A marker that names options, of a pool unless it says otherwise, and the table below it. */
const OPTION_TABLE = /^(<!-- (?:(\w+) )?options: (.*) -->)\n(?:.+\n)*/gm;

/** The names in the markers of a page for options of one kind, in their order. */
export function optionsShownOn(page: string, kind: string = 'pool'): string[] {
  return [...page.matchAll(OPTION_TABLE)]
    .filter(([, , word = 'pool']) => word === kind)
    .flatMap(([, , , names = '']) => names.split(' '));
}

/** The page with a table of the named options below each marker. */
export function withOptionTables(page: string): string {
  return page.replaceAll(OPTION_TABLE, (_, marker: string, kind: string | undefined, names: string) => {
    const docs = optionDocs(kind);
    return [
      marker,
      '<!-- prettier-ignore -->',
      '| option | default | |',
      '|---|---|---|',
      ...names.split(' ').map((name) => optionRow(name, docs.get(name))),
      '',
    ].join('\n');
  });
}

function optionRow(name: string, doc: OptionDoc | undefined): string {
  if (doc === undefined) throw new Error(`there is no documented option ${name}`);
  const { text, fallback, page, needs } = doc;
  const others = needs.length === 0 ? '' : ` Needs ${needs.map((other) => `\`${other}\``).join(' or ')}.`;
  const more = page === undefined ? '' : ` See [${pageTitle(page)}](${page}).`;
  return `| \`${name}\` | ${shownDefault(fallback)} | ${text}${others}${more} |`;
}

/** `errors.md#refusals` is about refusals. */
function pageTitle(page: string): string {
  return page.replace(/^.*#|\.md$/g, '').replaceAll('-', ' ');
}

/** Literals as code, long numbers in groups of three digits. */
function shownDefault(fallback: string): string {
  if (fallback.startsWith('{')) return `\`${fallback}\``;
  return fallback
    .replaceAll(/'[\w.-]*'/g, '`$&`')
    .replaceAll(/\b\d{4,}\b/g, (digits) => Number(digits).toLocaleString('en').replaceAll(',', ' '));
}
