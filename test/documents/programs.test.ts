/** The programs in the documents compile, and run against a broker and a backend. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { blocksIn, USER_DOCUMENTS, type Block } from './blocks.js';
import type { Ended } from './run-blocks.js';
import { ROOT } from './texts.js';

const execute = promisify(execFile);
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const RUNNER = fileURLToPath(new URL('run-blocks.js', import.meta.url));
const LIMIT_MS = scaled(60_000);
/** Processes that run at once. */
const AT_ONCE = 3;
/** A program that says this changes its process, or prints or fails later than it ends, and has its own process. */
const OWN_PROCESS = /process\.(?!env)|setGlobal|node:http2|node:test/;

const blocks = USER_DOCUMENTS.flatMap(blocksIn);
const programs = blocks.filter(({ language }) => language === 'ts' || language === 'js');

/** In the package, so that the programs find it by its name. */
const folder = mkdtempSync(join(ROOT, 'dist/programs-'));
test.after.always(() => rmSync(folder, { recursive: true }));

/** Programs in TypeScript run as compiled, those in JavaScript as they stand. */
function fileOf({ name, language }: Block): string {
  return join(folder, language === 'ts' ? `compiled/${name}.js` : `${name}.js`);
}

let compiling: Promise<string> | undefined;

/** The compiler's messages, of one run for all. */
function compiled(): Promise<string> {
  return (compiling ??= compile());
}

async function compile(): Promise<string> {
  mkdirSync(join(folder, 'compiled'));
  for (const { name, language, code } of programs)
    // `export {}` makes a module of a program that neither imports nor exports.
    writeFileSync(join(folder, `${name}.${language}`), `${code}\nexport {};\n`);
  const outputs = await Promise.all([
    compileAll('ts', { strict: true }),
    // Without annotations a parameter has no type, nor has what a program catches.
    compileAll('js', { strict: true, noImplicitAny: false, useUnknownInCatchVariables: false }),
  ]);
  return outputs.join('');
}

async function compileAll(language: string, options: object): Promise<string> {
  const configuration = {
    compilerOptions: {
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      allowJs: true,
      checkJs: true,
      skipLibCheck: true,
      rootDir: '.',
      outDir: 'compiled',
      ...options,
    },
    files: [
      ...programs.filter((program) => program.language === language).map(({ name }) => `${name}.${language}`),
      '../test/documents/surroundings.d.ts',
    ],
  };
  const file = join(folder, `tsconfig.${language}.json`);
  writeFileSync(file, JSON.stringify(configuration));
  try {
    return (await execute(process.execPath, [TSC, '-p', file], { timeout: LIMIT_MS })).stdout;
  } catch (error) {
    return String(Reflect.get(Object(error), 'stdout'));
  }
}

test('the programs of the documents compile', async (t) => {
  t.timeout(LIMIT_MS);
  t.true(programs.length > 10);
  t.is(await compiled(), '');
});

/** Runs tasks side by side, at most {@link AT_ONCE} at a time. */
const queue: (() => void)[] = [];
let running = 0;

async function inTurn<T>(task: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
  running += 1;
  try {
    return await task();
  } finally {
    running -= 1;
    queue.shift()?.();
  }
}

const run = programs.filter(({ notRun }) => notRun === undefined);
const alone = run.filter(({ code }) => OWN_PROCESS.test(code));
const shared = run.filter((program) => !alone.includes(program));

/** The programs of each process: most of the time of a short program is the start of its process. */
const processes = [
  ...Array.from({ length: AT_ONCE }, (_, lane) => shared.filter((_each, index) => index % AT_ONCE === lane)),
  ...alone.map((program) => [program]),
];

/** Runs some programs in one process; a program that did not end has no entry in `ended`. */
async function runTogether(together: readonly Block[]): Promise<{ ended: Ended[]; stderr: string }> {
  await compiled();
  const directory = mkdtempSync(join(tmpdir(), 'bp-'));
  const { stdout, stderr } = await inTurn(() =>
    execute(process.execPath, [RUNNER, ...together.map(fileOf)], {
      cwd: ROOT,
      env: { ...process.env, XDG_RUNTIME_DIR: directory, PORT: '0' },
      timeout: LIMIT_MS,
    }).catch((error: unknown) => ({
      stdout: String(Reflect.get(Object(error), 'stdout')),
      stderr: String(error),
    })),
  );
  rmSync(directory, { recursive: true });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { ended: lines.map((line): Ended => JSON.parse(line)), stderr };
}

for (const together of processes) {
  let outcome: ReturnType<typeof runTogether> | undefined;
  for (const program of together)
    test(`the program in ${program.place} runs, and prints what its comments say`, async (t) => {
      t.timeout(2 * LIMIT_MS);
      const { ended, stderr } = await (outcome ??= runTogether(together));
      const own = ended.find(({ program: file }) => file === fileOf(program));
      // Node's warnings do not pass through `process.stderr`.
      if (own === undefined) return t.fail(`it did not end: ${stderr}`);
      if (program.prints !== undefined) t.deepEqual(own.stdout.split('\n').slice(0, -1), program.prints);
      t.is(own.stderr + stderr, '');
    });
}

test('the JSON in the documents is JSON', (t) => {
  for (const { code, language, place } of blocks)
    if (language === 'json') t.notThrows(() => JSON.parse(code), place);
  t.pass();
});
