/**
 * Makes a single executable of a bundled program, which a broker can launch:
 * `node single-executable.ts program.cjs output`. Fetches postject with npx.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [program, output] = process.argv.slice(2).map((path) => resolve(path));
if (program === undefined || output === undefined) {
  console.error('usage: node single-executable.ts program.cjs output');
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), 'single-executable-'));
try {
  const blob = join(directory, 'program.blob');
  const configuration = join(directory, 'sea-config.json');
  writeFileSync(
    configuration,
    JSON.stringify({ main: program, output: blob, disableExperimentalSEAWarning: true }),
  );
  run(process.execPath, ['--experimental-sea-config', configuration]);
  copyFileSync(process.execPath, output);
  chmodSync(output, 0o755);
  const isMac = process.platform === 'darwin';
  // The signature covers the content that changes.
  if (isMac) run('codesign', ['--remove-signature', output]);
  const fuse = ['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'];
  const segment = isMac ? ['--macho-segment-name', 'NODE_SEA'] : [];
  run('npx', ['--yes', 'postject@1.0.0-alpha.6', output, 'NODE_SEA_BLOB', blob, ...fuse, ...segment]);
  if (isMac) run('codesign', ['--sign', '-', output]);
} finally {
  rmSync(directory, { recursive: true });
}

/** Runs a program and shows its output only where it fails. */
function run(file: string, parameters: readonly string[]): void {
  execFileSync(file, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
}
