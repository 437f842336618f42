/**
 * Shows that the suites notice: `npm run test:planted-bugs -- [--report FILE]`. Each bug is put into a copy
 * of the build, by replacing a text that must be there, and the suites are run against it. Ends with 1 if a
 * bug is not noticed, or if a suite fails where nothing was planted. Takes minutes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { replaceSection } from '../helpers/markdown.js';
import { BUGS, planted, type Bug } from './bugs.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COPY = 'dist-planted';
/** Ignored by git, like the copy. */
const CONFIG = 'ava.planted-tmp.config.js';
/** A bug may well make a suite hang. */
const SUITE_LIMIT_MS = 90_000;

/** A suite and how it is run against the copy. */
const SUITES: ReadonlyMap<string, readonly string[]> = new Map([
  ...['frames', 'slow', 'drivers', 'fault-schedule', 'pool', 'process-faults'].map(
    (name) => [`hostile/${name}`, ava(`test/hostile/${name}.test.js`)] as const,
  ),
  ['negotiation/drivers', ava('test/negotiation/drivers.test.js')],
  ['soak', [`${COPY}/test/soak/soak.js`, '--minutes', '0.2', '--seed', '1']],
]);

function ava(file: string): string[] {
  return ['node_modules/ava/entrypoints/cli.mjs', '--config', CONFIG, `${COPY}/${file}`];
}

/** Whether the suite has failed, or hung. */
async function fails(command: readonly string[]): Promise<boolean> {
  // A group of its own: a suite that hangs is ended with all the processes it has started.
  const child = spawn(process.execPath, command, { cwd: ROOT, stdio: 'ignore', detached: true });
  const limit = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), SUITE_LIMIT_MS);
  await once(child, 'exit');
  clearTimeout(limit);
  return child.exitCode !== 0;
}

/** Puts the bug into the copy, and returns how to take it out again. */
function plant(bug: Bug): () => void {
  const path = join(ROOT, COPY, bug.file);
  const code = readFileSync(path, 'utf8');
  writeFileSync(path, planted(code, bug));
  return () => writeFileSync(path, code);
}

async function suitesThatFail(bug: Bug | undefined): Promise<string[]> {
  const unplant = bug && plant(bug);
  const failing: string[] = [];
  for (const [name, command] of SUITES) if (await fails(command)) failing.push(name);
  unplant?.();
  console.log(
    `${bug?.title ?? 'nothing planted'}: ${failing.length === 0 ? 'every suite passes' : `noticed by ${failing.join(', ')}`}`,
  );
  return failing;
}

/** Texts that are not there any more are found out at once, not after minutes. */
function checkBugs(): void {
  for (const bug of BUGS) plant(bug)();
}

const { values } = parseArgs({ options: { report: { type: 'string' } } });
const config = {
  files: [`${COPY}/test/**/*.test.js`],
  workerThreads: false,
  timeout: '20s',
};
writeFileSync(join(ROOT, CONFIG), `export default ${JSON.stringify(config)};\n`);
rmSync(join(ROOT, COPY), { recursive: true, force: true });
cpSync(join(ROOT, 'dist'), join(ROOT, COPY), { recursive: true });
try {
  checkBugs();
  const control = await suitesThatFail(undefined);
  const noticed = new Map<Bug, string[]>();
  for (const bug of BUGS) noticed.set(bug, await suitesThatFail(bug));
  const isGood = control.length === 0 && [...noticed.values()].every((suites) => suites.length > 0);
  const rows = [...noticed].map(
    ([{ title, file }, suites]) => `| ${title} | \`${file}\` | ${suites.join(', ') || '**no suite**'} |`,
  );
  const table = [
    '| bug | planted in | noticed by |',
    '|---|---|---|',
    ...rows,
    `| none, to compare: the code as it is | | ${control.join(', ') || 'no suite fails'} |`,
  ];
  if (values.report !== undefined)
    replaceSection(
      values.report,
      'planted bugs',
      `Written by \`npm run test:planted-bugs -- --report …\`.\n\n${table.join('\n')}`,
    );
  process.exitCode = isGood ? 0 : 1;
} finally {
  rmSync(join(ROOT, COPY), { recursive: true, force: true });
  rmSync(join(ROOT, CONFIG), { force: true });
}
