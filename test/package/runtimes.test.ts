/** The published package in other runtimes, in Jest, and installed by other package managers. */
import { copyFileSync, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { testWhere } from '../helpers/test-where.js';
import { newProject, packed, run, runTool, TOOLS, writeFiles } from './kit.js';
import { JEST_TEST, PRINTED, PROGRAM } from './program.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

/** Further Nodes to try, by their paths: CI has one. */
const OTHER_NODES = (process.env['BROKER_POOL_TEST_NODES'] ?? '')
  .split(delimiter)
  .filter((path) => path !== '');
const BUN = join(TOOLS, '@oven/bun-linux-x64/bin/bun');

for (const node of [process.execPath, ...OTHER_NODES]) {
  test(`the package works when it is imported, and when it is required: ${node}`, async (t) => {
    const project = await newProject(t, {
      'program.mjs': PROGRAM,
      'required.cjs': `console.log(Object.keys(require('broker-pool/connect')).includes('connectToBackend'));`,
    });
    t.deepEqual(await run(node, ['program.mjs'], project), { stdout: PRINTED, stderr: '' });
    // Node 20 and 22 warn of modules that are required, but for those in node_modules.
    t.deepEqual(await run(node, ['required.cjs'], project), { stdout: 'true\n', stderr: '' });
  });
}

test('Deno runs the package with the C library and the wait thread', async (t) => {
  const project = await newProject(t, { 'program.mjs': PROGRAM });
  const { stdout } = await runTool(
    'deno/bin.cjs',
    ['run', '--allow-all', '--node-modules-dir=manual', 'program.mjs'],
    project,
    { DENO_DIR: join(project, 'deno'), DENO_NO_UPDATE_CHECK: '1' },
  );
  t.is(stdout, PRINTED);
});

testWhere(existsSync(BUN), 'Bun for this platform')(
  'on Bun a one-shot connect works, with a warning, and a pool is refused',
  async (t) => {
    const project = await newProject(t, { 'program.mjs': PROGRAM });
    const { stdout, stderr } = await run(BUN, ['program.mjs'], project);
    t.is(stdout, 'ping by broker-negotiated\nUNSUPPORTED_RUNTIME\n');
    t.regex(stderr, /BROKER_POOL_NO_FFI.*Bun reads nothing from a socket over a descriptor/);
  },
);

test('Jest with its flag for modules runs a test in CommonJS that imports the package', async (t) => {
  const project = await newProject(t, {
    'package.json': '{}',
    'jest.config.js': `module.exports = { testEnvironment: 'node', watchman: false };`,
    'pool.test.js': JEST_TEST,
  });
  const jest = join(TOOLS, 'jest/bin/jest.js');
  const { stderr } = await run(
    process.execPath,
    [
      '--no-warnings',
      '--experimental-vm-modules',
      jest,
      '--ci',
      '--testTimeout',
      '60000',
      '--rootDir',
      project,
    ],
    project,
  );
  t.regex(stderr, /^Tests: +1 passed, 1 total$/m);
});

/** The registry that npm uses, whose settings the others do not read. */
async function registry(): Promise<string> {
  const { stdout } = await run('npm', ['config', 'get', 'registry'], TOOLS);
  return stdout.trim();
}

const PROJECT_FILE = JSON.stringify({
  name: 'project',
  private: true,
  type: 'module',
  dependencies: { 'broker-pool': 'file:./package.tgz' },
});

test('the package works as pnpm installs it, without scripts', async (t) => {
  const project = temporaryDirectory(t);
  copyFileSync((await packed()).tarball, join(project, 'package.tgz'));
  writeFiles(project, { 'package.json': PROJECT_FILE, 'program.mjs': PROGRAM });
  const store = join(project, 'store');
  await runTool('pnpm/bin/pnpm.cjs', ['install', '--ignore-scripts', '--store-dir', store], project, {
    npm_config_registry: await registry(),
    XDG_CACHE_HOME: join(project, 'cache'),
  });
  t.deepEqual(await run(process.execPath, ['program.mjs'], project), { stdout: PRINTED, stderr: '' });
});

test('the package works as Yarn installs it with Plug and Play, without scripts', async (t) => {
  const project = temporaryDirectory(t);
  copyFileSync((await packed()).tarball, join(project, 'package.tgz'));
  writeFiles(project, {
    'package.json': PROJECT_FILE,
    'program.mjs': PROGRAM,
    'yarn.lock': '',
    '.yarnrc.yml': `nodeLinker: pnp\nenableScripts: false\nenableTelemetry: false\nenableGlobalCache: false\n`,
  });
  const env = {
    YARN_NPM_REGISTRY_SERVER: await registry(),
    YARN_GLOBAL_FOLDER: join(project, 'yarn'),
    CI: '',
  };
  await runTool('@yarnpkg/cli-dist/bin/yarn.js', ['install', '--no-immutable'], project, env);
  const { stdout } = await runTool('@yarnpkg/cli-dist/bin/yarn.js', ['node', 'program.mjs'], project, env);
  t.is(stdout, PRINTED);
});
