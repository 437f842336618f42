/** The package as npm publishes it. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { scaled } from './patience.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LIMIT_MS = scaled(50_000);

/** Folders that a clone does not have, and those that others have put into a checkout. */
export const NOT_CLONED =
  /(?:^|[\\/])(?:node_modules|dist(?:-[^\\/]*)?|coverage|target|results|\.git|Cargo\.lock)$/;

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/**
 * The settings of the clone alone count: those of the user, and of an npm that runs these tests, may switch
 * scripts off.
 */
function npmEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name));
  return {
    ...Object.fromEntries(own),
    npm_config_userconfig: join(ROOT, 'no-npmrc'),
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
}

/**
 * Packs a copy of the sources without `dist`, with `npm pack` as a user runs it in a clone after `npm ci`. `root` is
 * the package unpacked, beside the packages of the checkout. The caller removes `folder`.
 */
export async function pack() {
  const folder = mkdtempSync(join(tmpdir(), 'bp-'));
  const clone = join(folder, 'clone');
  cpSync(ROOT, clone, {
    recursive: true,
    filter: (path) => !NOT_CLONED.test(path.replace(/[\\/]$/, '')) || path === ROOT,
  });
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'), 'junction');
  const options = {
    cwd: clone,
    env: npmEnvironment(),
    timeout: LIMIT_MS,
    shell: process.platform === 'win32',
  };
  const { stdout } = await execute('npm', ['pack', '--json'], options);
  const [packed]: Packed[] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
  if (packed === undefined) throw new Error('npm pack packed nothing');
  await execute('tar', ['-xf', packed.filename], { cwd: clone });
  const root = join(clone, 'package');
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'junction');
  return {
    folder,
    root,
    tarball: join(clone, packed.filename),
    packed,
    paths: packed.files.map(({ path }) => path),
  };
}
