/** The package as it is published, in projects of users, and the tools that look at it. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { pack } from '../helpers/packing.js';
import { scaled } from '../helpers/patience.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

const execute = promisify(execFile);

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const TOOLS = join(ROOT, 'test/package/tools/node_modules');
const LIMIT_MS = scaled(120_000);

let made: ReturnType<typeof pack> | undefined;

/** Packed once for all tests of a file. */
export function packed(): ReturnType<typeof pack> {
  return (made ??= pack());
}

test.after.always(async () => {
  if (made !== undefined) rmSync((await made).folder, { recursive: true });
});

interface PackageFile {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

/** The entries of the package that programs import: their names, and their declarations. */
export function entriesOf(root: string): { readonly name: string; readonly types: string }[] {
  const { exports }: PackageFile = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports).flatMap(([path, entry]) =>
    typeof entry === 'object'
      ? [{ name: `broker-pool${path.slice(1)}`, types: join(root, entry.types) }]
      : [],
  );
}

/** A project of a user: the package is installed, and so is what it needs. */
export async function newProject(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const { root } = await packed();
  const folder = temporaryDirectory(t);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, 'node_modules')).filter((one) => !one.startsWith('.')))
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'junction');
  symlinkSync(root, join(modules, 'broker-pool'), 'junction');
  writeFiles(folder, files);
  return folder;
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** The output of a program; rejects where it fails, with all that it printed. */
export async function run(
  program: string,
  parameters: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  try {
    return await execute(program, parameters, { cwd, timeout: LIMIT_MS, env: { ...process.env, ...env } });
  } catch (error) {
    const { stdout, stderr } = Object(error);
    throw new Error(`${[program, ...parameters].join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** Runs a script of the tools by Node. */
export async function runTool(
  script: string,
  parameters: readonly string[],
  cwd: string,
  env?: NodeJS.ProcessEnv,
) {
  return await run(process.execPath, [join(TOOLS, script), ...parameters], cwd, env);
}
