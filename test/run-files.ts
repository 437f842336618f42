/**
 * Runs test files by the names of their sources: `npm run test:file -- test/pool/lease.test.ts`, a folder too.
 * `npm run watch -- test/pool/lease.test.ts` compiles and runs them again after each change. What is neither a file nor
 * a folder goes to ava, such as `--match='*seed*'`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, fstatSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { compiled } from './compiled.js';

/** Folders whose tests have a configuration of their own. */
const CONFIGURATIONS: Readonly<Record<string, string>> = {
  'test/bundles': 'ava.bundles.config.js',
  'test/interop': 'ava.interop.config.js',
  'test/package': 'ava.package.config.js',
};

/** Options of ava from the configuration of the folder that the first file is in. */
function configuration(files: readonly string[]): string[] {
  const folder = Object.keys(CONFIGURATIONS).find((name) => files[0]?.startsWith(`dist/${name}/`));
  return folder === undefined ? [] : ['--config', CONFIGURATIONS[folder] ?? ''];
}

const isWindows = process.platform === 'win32';

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((settle, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => settle(code ?? 1));
  });
}

/** A watching ava reads commands from a terminal or a pipe. It cannot read `/dev/null` or a file, and dies. */
function canReadCommands(): boolean {
  const stats = fstatSync(0);
  return isatty(0) || stats.isFIFO() || stats.isSocket();
}

function runAva(args: readonly string[]): Promise<number> {
  const stdin = !args.includes('--watch') || canReadCommands() ? 'inherit' : 'pipe';
  const child = spawn('ava', args, { stdio: [stdin, 'inherit', 'inherit'], shell: isWindows });
  process.once('exit', () => child.kill());
  return endOf(child);
}

/** `tsc` is a script that starts the compiler. A group of their own lets one signal end both. */
function watchSources(): Promise<number> {
  const child = spawn('tsc', ['--watch', '--preserveWatchOutput'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: !isWindows,
    shell: isWindows,
  });
  process.once('exit', () => {
    try {
      if (isWindows || child.pid === undefined) child.kill();
      else process.kill(-child.pid);
    } catch {
      // The group has ended.
    }
  });
  // Ctrl-C does not reach another group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  return endOf(child);
}

const args = process.argv.slice(2);
const isOption = (arg: string): boolean => arg.startsWith('-');
const isTest = (name: string): boolean => name.endsWith('.test.ts') || statSync(name).isDirectory();
const names = args.filter((arg) => !isOption(arg));
const missing = names.filter((name) => !existsSync(name));
const others = names.filter((name) => !missing.includes(name) && !isTest(name));
if (names.length === 0 || missing.length + others.length > 0) {
  const problems = [
    ...(missing.length > 0 ? [`There is no ${missing.join(', no ')}`] : []),
    ...others.map((name) => `${name} is no test file`),
  ];
  const problem = names.length === 0 ? 'Name test files' : `${problems.join('; ')}; name test files`;
  process.stderr.write(`${problem}, for example: npm run test:file -- test/pool/lease.test.ts\n`);
  process.exit(1);
}
const files = names.map(compiled);
const ava = runAva([...configuration(files), ...args.filter(isOption), ...files]);
const compiler = args.includes('--watch') ? watchSources() : ava;
// Of a watching compiler and a watching ava, the first that ends takes the other with it.
process.exit(await Promise.race([ava, compiler]));
