import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Peers and the plotting library belong to bench/package.json, so that users of the package do not install
 * them. From dist/bench/harness it is three levels up.
 */
const BENCH_FOLDER = new URL('../../../bench/', import.meta.url);
const requireFromBench = createRequire(new URL('package.json', BENCH_FOLDER));
const INSTALL_LIMIT_MS = 120_000;

/** Installs what bench/package.json lists, unless that has been done. */
export function installPeers(): void {
  const missing = Object.keys(dependencies()).filter((name) => !existsSync(packageFileOf(name)));
  if (missing.length === 0) return;
  console.error(`installing ${missing.join(', ')} in bench/`);
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: fileURLToPath(BENCH_FOLDER),
    stdio: ['ignore', 2, 2],
    timeout: INSTALL_LIMIT_MS,
    shell: process.platform === 'win32',
  });
  if (install.status !== 0)
    throw new Error(
      `npm ci in bench/ failed with ${install.status ?? install.signal ?? install.error?.message}`,
    );
}

/** The caller says what it uses of the module: its own types are installed only where benches run. */
export async function importPeer<Module>(name: string): Promise<Module> {
  const module: Module = await import(pathToFileURL(requireFromBench.resolve(name)).href);
  return module;
}

/** The versions installed, by name. */
export function peerVersions(): Record<string, string> {
  return Object.fromEntries(Object.keys(dependencies()).map((name) => [name, versionOf(name)]));
}

function dependencies(): Readonly<Record<string, string>> {
  const { dependencies: listed }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(new URL('package.json', BENCH_FOLDER), 'utf8'),
  );
  return listed;
}

function packageFileOf(name: string): URL {
  return new URL(`node_modules/${name}/package.json`, BENCH_FOLDER);
}

function versionOf(name: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(packageFileOf(name), 'utf8'));
  return version;
}
