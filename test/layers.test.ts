import { findCycle, parseSource, sourcesIn, type SourceFile } from './helpers/imports.js';
import test from './helpers/sanitary.js';

const src = sourcesIn('src');
const workers = sourcesIn('workers');
const byPath = new Map([...src, ...workers].map((file) => [file.path, file]));

/**
 * The part of the package a file belongs to: a folder of `src`, a file that lies in `src` itself,
 * `src/frames/codec`, or `workers`.
 */
function partOf(path: string): string {
  const [top = '', second = '', third = ''] = path.split('/');
  // A part of its own, which backends use without the sessions.
  if (second === 'frames' && third === 'codec') return 'codec';
  return top === 'src' ? second.replace(/\.ts$/, '') : top;
}

const LEAVES = [
  'abort',
  'async-context',
  'broker-need',
  'caller-stack',
  'clock',
  'deadline-queue',
  'debug-log',
  'did-you-mean',
  'endpoint',
  'process-warning',
  'target',
  'error-data',
  'errors',
  'exit-hook',
  'fifo',
  'histogram',
  'id-table',
  'explained-error',
  'option-table',
  'package-files',
  'trust-option',
  'validation',
  'version',
];

/** What each part may import, besides itself. The arrows go one way. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  abort: ['clock', 'errors'],
  errors: [],
  'error-data': ['errors'],
  clock: ['async-context'],
  'async-context': [],
  'broker-need': ['errors', 'target'],
  'caller-stack': [],
  version: [],
  'exit-hook': [],
  fifo: [],
  histogram: [],
  'id-table': [],
  'package-files': [],
  'deadline-queue': ['clock'],
  'debug-log': [],
  'process-warning': ['errors'],
  'explained-error': ['errors'],
  'did-you-mean': [],
  validation: ['errors', 'clock', 'did-you-mean'],
  'option-table': ['errors', 'validation'],
  endpoint: ['errors', 'validation'],
  target: [],
  'endpoint-cache': ['os', ...LEAVES],
  'trust-option': ['errors', 'option-table', 'os'],
  wire: ['errors'],
  codec: ['wire', 'errors'],
  os: ['errors', 'clock', 'async-context', 'process-warning', 'package-files'],
  negotiation: ['wire', 'os', ...LEAVES],
  'broker-options': ['os', ...LEAVES],
  client: ['endpoint-cache', 'broker-options', 'negotiation', 'wire', 'os', ...LEAVES],
  connect: ['endpoint-cache', 'broker-options', 'client', 'negotiation', 'wire', ...LEAVES],
  pool: ['identity', 'endpoint-cache', 'broker-options', 'negotiation', 'wire', 'os', ...LEAVES],
  sharing: ['pool', 'negotiation', 'wire', 'os', ...LEAVES],
  'broker-pool': ['sharing', 'pool', 'endpoint-cache', 'negotiation', ...LEAVES],
  identity: ['codec', 'wire', 'os', ...LEAVES],
  frames: ['codec', 'identity', 'pool', 'broker-options', 'negotiation', 'wire', 'os', ...LEAVES],
  http: ['pool', 'negotiation', 'wire', 'os', ...LEAVES],
  metrics: ['broker-pool', 'pool', ...LEAVES],
  index: ['broker-pool', 'sharing', 'pool', 'connect', 'endpoint-cache', 'negotiation', 'wire', ...LEAVES],
  backend: ['codec', 'identity', 'wire', 'os', ...LEAVES],
  // A broker of its own: it must not lean on the client that is tested against it.
  testing: ['backend', 'codec', 'identity', 'wire', 'os', ...LEAVES],
  cli: [
    'index',
    'http',
    'frames',
    'metrics',
    'inspection',
    'backend',
    'testing',
    'identity',
    'broker-pool',
    'pool',
    'endpoint-cache',
    'broker-options',
    'client',
    'negotiation',
    'wire',
    'os',
    ...LEAVES,
  ],
  inspection: ['broker-pool', 'pool', 'broker-options', 'os', ...LEAVES],
  workers: ['identity', 'negotiation', 'wire', 'os', 'errors', 'clock'],
};

/** Packages that are known in one place only, so that they can be replaced there. */
const HOMES: Readonly<Record<string, string>> = {
  koffi: 'src/os/',
  piscina: 'src/negotiation/wait-thread/worker-thread.ts',
  'hash-wasm': 'src/identity/',
  protobufjs: 'src/wire/',
  'lru-cache': 'src/endpoint-cache/endpoint-cache.ts',
  'prom-client': 'src/metrics/prometheus.ts',
  '@opentelemetry/api': 'src/metrics/',
};

function mayImport(file: string, imported: string): boolean {
  const part = partOf(file);
  if (part === partOf(imported)) return true;
  const allowed = MAY_IMPORT[part] ?? [];
  return allowed.some((name) => name === partOf(imported) || imported === `src/${name}.ts`);
}

/** The file and all it imports, directly or not. */
function closure(path: string): SourceFile[] {
  const found = new Map<string, SourceFile>();
  const visit = (next: string): void => {
    const file = byPath.get(next);
    if (file === undefined || found.has(next)) return;
    found.set(next, file);
    for (const imported of file.files) visit(imported);
  };
  visit(path);
  return [...found.values()];
}

test('each import of a file leads to a file that exists', (t) => {
  const missing = [...byPath.values()].flatMap(({ path, files }) =>
    // What is generated has a type declaration beside JavaScript.
    files
      .filter((imported) => !byPath.has(imported) && !imported.startsWith('src/wire/gen/'))
      .map((imported) => `${path} → ${imported}`),
  );
  t.deepEqual(missing, []);
});

test('every part of the package has its rule here', (t) => {
  const parts = new Set([...byPath.keys()].map(partOf));
  t.deepEqual(
    [...parts].filter((part) => !(part in MAY_IMPORT)),
    [],
  );
});

test('imports go one way: cli → index → broker-pool → sharing → pool → negotiation → wire, os → errors', (t) => {
  const wrong = [...byPath.values()].flatMap(({ path, files }) =>
    files.filter((imported) => !mayImport(path, imported)).map((imported) => `${path} → ${imported}`),
  );
  t.deepEqual(wrong, []);
});

test('no file imports itself by way of others', (t) => {
  t.is(findCycle([...byPath.values()])?.join(' → '), undefined);
});

for (const [name, home] of Object.entries(HOMES)) {
  test(`only ${home} knows ${name}`, (t) => {
    const users = [...byPath.values()].filter(
      ({ packages, text }) =>
        packages.includes(name) || text.includes(`'${name}'`) || text.includes(`'${name}/`),
    );
    t.true(users.length > 0);
    t.deepEqual(
      users.map(({ path }) => path).filter((path) => !path.startsWith(home)),
      [],
    );
  });
}

/** Packages that a program need not have, and the only entry that loads each. */
const OPTIONAL: Readonly<Record<string, string>> = {
  'prom-client': 'src/metrics/prometheus.ts',
  '@opentelemetry/api': 'src/metrics/opentelemetry.ts',
};

for (const [name, entry] of Object.entries(OPTIONAL))
  test(`only ${entry} loads ${name}`, (t) => {
    const entries = src
      .map(({ path }) => path)
      .filter((path) => path !== entry && !src.some(({ files }) => files.includes(path)));
    t.true(closure(entry).some(({ packages }) => packages.includes(name)));
    t.deepEqual(
      entries.filter((path) => closure(path).some(({ packages }) => packages.includes(name))),
      [],
    );
  });

const UNDOCUMENTED =
  /\b_(?:handle|readableState|writableState|eventsCount|httpMessage|peername)\b|asyncReset/;

test('only src/os knows the members that Node does not document', (t) => {
  const users = [...byPath.values()].filter(({ text }) => UNDOCUMENTED.test(text)).map(({ path }) => path);
  t.true(users.length > 0);
  t.deepEqual(
    users.filter((path) => !path.startsWith('src/os/')),
    [],
  );
});

test('src names the entries of workers as files only, in the two places that start them', (t) => {
  t.deepEqual(
    src.filter(({ files }) => files.some((path) => path.startsWith('workers/'))).map(({ path }) => path),
    [],
  );
  const mentions = src.filter(({ text }) => text.includes('workers/'));
  t.deepEqual(mentions.map(({ path }) => path).toSorted(), [
    'src/identity/file-hash.ts',
    'src/negotiation/wait-thread/worker-thread.ts',
  ]);
  for (const { text } of mentions)
    t.deepEqual(
      text.match(/.*workers\/.*/g)?.filter((line) => !line.includes('packageFile(')),
      [],
    );
});

const PURE = [
  'src/pool/containers.ts',
  'src/pool/capacity.ts',
  'src/pool/connecting/backoff.ts',
  'src/pool/connecting/handoff-policy.ts',
  'src/pool/connecting/refusal-cache.ts',
  'src/pool/connecting/retry-policy.ts',
  'src/error-data.ts',
  'src/os/descriptor-ledger.ts',
  'src/endpoint-cache/answers.ts',
  'src/clock.ts',
  'src/errors.ts',
  'src/deadline-queue.ts',
  'src/wire/frame.ts',
  'src/endpoint.ts',
  'src/frames/codec/frame-reader.ts',
  'src/frames/codec/frame-writer.ts',
  ...src.map(({ path }) => path).filter((path) => path.startsWith('src/negotiation/exchange/')),
];
const WITHOUT_IO = new Set([
  'node:async_hooks',
  'node:crypto',
  'node:path',
  'node:perf_hooks',
  'node:process',
  'node:timers',
  'node:util',
  'node:util/types',
  'protobufjs',
]);

for (const path of PURE) {
  test(`${path} does no I/O, nor does anything it imports`, (t) => {
    t.true(byPath.has(path));
    const used = closure(path).flatMap((file) =>
      file.packages.filter((name) => !WITHOUT_IO.has(name)).map((name) => `${file.path} → ${name}`),
    );
    t.deepEqual(used, []);
  });
}

const GLOBAL_TIME =
  /(?<!\.)\b(?:setTimeout|setImmediate|setInterval|clearTimeout|clearImmediate|clearInterval|queueMicrotask)\b|\bnextTick\b|\bhrtime\b|\bperformance\b|\bDate\b|timers/;

test('only src/clock.ts knows the global timers and clocks, which a test may have replaced', (t) => {
  const users = [...byPath.values()].filter(
    ({ path, text }) => path !== 'src/clock.ts' && GLOBAL_TIME.test(text),
  );
  t.deepEqual(
    users.map(({ path }) => path),
    [],
  );
  t.regex(byPath.get('src/clock.ts')?.text ?? '', GLOBAL_TIME);
});

test('the two ways to wait know nothing of each other', (t) => {
  for (const [way, other] of [
    ['event-loop', 'wait-thread'],
    ['wait-thread', 'event-loop'],
  ] as const) {
    const files = src.filter(({ path }) => path.startsWith(`src/negotiation/${way}/`));
    t.true(files.length > 0);
    t.deepEqual(
      files.flatMap(({ path, files: imported }) =>
        imported.filter((one) => one.includes(`/${other}/`)).map((one) => `${path} → ${one}`),
      ),
      [],
    );
  }
});

test('only src/endpoint-cache and src/broker-pool.ts know the endpoint file', (t) => {
  const path = 'src/endpoint-cache/endpoint-file.ts';
  const users = src.filter(({ files }) => files.includes(path)).map((file) => file.path);
  t.deepEqual(users, ['src/broker-pool.ts', 'src/endpoint-cache/one-shot.ts']);
});

test('src/connect.ts loads neither the pool nor the wait thread, nor a package that these need', (t) => {
  const loaded = closure('src/connect.ts');
  t.true(loaded.some(({ path }) => path === 'src/client/connect.ts'));
  t.deepEqual(
    loaded
      .map(({ path }) => path)
      .filter((path) =>
        /^src\/(?:broker-pool|pool|sharing|frames|identity|negotiation\/wait-thread)\b/.test(path),
      ),
    [],
  );
  t.deepEqual(
    [...new Set(loaded.flatMap(({ packages }) => packages))]
      .filter((name) => !name.startsWith('node:'))
      .toSorted(),
    ['@noble/hashes', 'koffi', 'protobufjs'],
  );
});

test('connectSharedPool loads neither the host of a shared pool nor the pool of a target', (t) => {
  const loaded = closure('src/sharing/client/connect-shared-pool.ts').map(({ path }) => path);
  t.true(loaded.includes('src/sharing/client/shared-pool.ts'));
  for (const path of [
    'src/sharing/host/sharing-host.ts',
    'src/sharing/host/host-leases.ts',
    'src/pool/target-pool.ts',
  ]) {
    t.false(loaded.includes(path), path);
  }
});

test('the containers, the contexts and the errors import nothing of the package', (t) => {
  for (const path of ['src/pool/containers.ts', 'src/async-context.ts', 'src/errors.ts'])
    t.deepEqual(
      closure(path).map((file) => file.path),
      [path],
    );
});

test('the parser sees every form of import, and none in comments', (t) => {
  const source = `
    import a, { type B } from './a.js'; // import './not.js'
    import {
      c,
    } from '../c/d.js';
    import './effect.js';
    export * from '@scope/name/deep.js';
    export type { E } from 'node:net';
    /* import f from './not-either.js'; */
    const url = 'https://example.org'; const late = await import('./late.js');
    const native = createRequire(import.meta.url)('koffi');
    type G = typeof import('./types.js');
    const word = late ? 'from' : 'until';
  `;
  const { files, packages } = parseSource('src/x/y.ts', source);
  t.deepEqual(files, ['src/x/a.ts', 'src/c/d.ts', 'src/x/effect.ts', 'src/x/late.ts', 'src/x/types.ts']);
  t.deepEqual(packages, ['@scope/name', 'node:net', 'koffi']);
});

test('a cycle is found and shown', (t) => {
  const file = (path: string, ...files: string[]): SourceFile => ({ path, files, packages: [], text: '' });
  t.deepEqual(findCycle([file('a', 'b'), file('b', 'c'), file('c', 'b')]), ['b', 'c', 'b']);
  t.is(findCycle([file('a', 'b', 'c'), file('b', 'c'), file('c')]), undefined);
});

test('every test file fails for what it leaves behind', (t) => {
  const files = sourcesIn('test').filter(({ path }) => path.endsWith('.test.ts'));
  // Some get it through a helper that imports it, those of test/together through test files.
  const watched = ['test/helpers/sanitary.ts', 'test/helpers/test-where.ts', 'test/interop/interop.ts'];
  const unwatched = files.filter(
    (file) => !file.files.some((name) => watched.includes(name) || name.endsWith('.test.ts')),
  );
  t.deepEqual(
    unwatched.map(({ path }) => path),
    [],
  );
});
