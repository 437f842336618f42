/** Packages of npm that hold programs for other platforms. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/broker-pool/platforms');

/**
 * The folder of a package, fetched at its first use. `npm install` refuses a package for another platform;
 * `npm pack` does not look.
 */
export function foreignPackage(name: string, version: string): string {
  const folder = join(CACHE, name, version);
  if (existsSync(folder)) return folder;
  mkdirSync(join(CACHE, name), { recursive: true });
  const work = mkdtempSync(join(CACHE, 'new-'));
  try {
    execFileSync('npm', ['pack', '--silent', `${name}@${version}`], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [archive = ''] = readdirSync(work);
    execFileSync('tar', ['-xzf', archive], { cwd: work, stdio: ['ignore', 'inherit', 'inherit'] });
    renameSync(join(work, 'package'), folder);
  } catch (error) {
    // Another run was first.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
