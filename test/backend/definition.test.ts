import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { blake3 } from '@noble/hashes/blake3.js';
import { onWindows, POSIX, testWhere } from '../helpers/test-where.js';
import { installServiceDefinition, type ServiceDefinitionOptions } from '../../src/backend/index.js';
import { definitionDirectory } from '../../src/backend/definition/definition-directory.js';
import { BrokerIsolation, decodeServiceDefinition } from '../../src/wire/messages.js';
import { directory } from './kit.js';

const onPosix = testWhere(!onWindows, POSIX);

/** An executable that is small, for it is hashed. */
function setUp(t: ExecutionContext) {
  const folder = directory(t);
  const binaryPath = join(folder, 'bin');
  const image = process.platform === 'darwin' ? 'cffaedfe' : '7f454c46';
  writeFileSync(binaryPath, Buffer.from(`${image}00`, 'hex'), { mode: 0o755 });
  const options = { serviceName: 'svc', binaryPath, directory: join(folder, 'config/services') };
  return { folder, binaryPath, options };
}

onPosix(
  'a definition is written whole into a directory of mode 0700 (D-02, D-05, D-20 to D-22)',
  async (t) => {
    const { folder, binaryPath, options } = setUp(t);
    const installed = await installServiceDefinition({
      ...options,
      minVersion: '1.0.0',
      versionAllowList: ['1.2.3', '1.2.4-rc.1'],
      labels: { team: 'tools' },
    });
    t.deepEqual(installed, {
      path: join(options.directory, 'svc.servicedef'),
      binaryPath,
      overriddenBy: undefined,
    });
    t.is(lstatSync(options.directory).mode & 0o777, 0o700);
    t.deepEqual(readdirSync(options.directory), ['svc.servicedef']);
    t.deepEqual(decodeServiceDefinition(readFileSync(installed.path)), {
      serviceName: 'svc',
      binaryPath,
      isolation: BrokerIsolation.SHARED_BROKER,
      explicitInstance: '',
      perVersionBinaryDir: folder,
      minVersion: '1.0.0',
      versionAllowList: ['1.2.3', '1.2.4-rc.1'],
      labels: { team: 'tools' },
    });
  },
);

onPosix(
  'the hash of the executable lies beside it, so that its first launch need not compute it (P-27)',
  async (t) => {
    const { binaryPath, options } = setUp(t);
    await installServiceDefinition(options);
    const kept: { readonly blake3: string } = JSON.parse(readFileSync(`${binaryPath}.blake3.json`, 'utf8'));
    t.is(kept.blake3, Buffer.from(blake3(readFileSync(binaryPath))).toString('hex'));
  },
);

onPosix('a second install replaces the definition', async (t) => {
  const { options } = setUp(t);
  await installServiceDefinition({ ...options, minVersion: '1.0.0' });
  const { path } = await installServiceDefinition({ ...options, minVersion: '2.0.0' });
  t.is(decodeServiceDefinition(readFileSync(path)).minVersion, '2.0.0');
});

onPosix('the executable is named by its real path', async (t) => {
  const { folder, binaryPath, options } = setUp(t);
  symlinkSync(binaryPath, join(folder, 'link'));
  t.is(
    (await installServiceDefinition({ ...options, binaryPath: join(folder, 'link') })).binaryPath,
    binaryPath,
  );
});

onPosix('an explicit instance is named (D-25)', async (t) => {
  const { options } = setUp(t);
  const { path } = await installServiceDefinition({
    ...options,
    isolation: 'explicit',
    explicitInstance: 'ci',
  });
  t.like(decodeServiceDefinition(readFileSync(path)), { isolation: 2, explicitInstance: 'ci' });
});

onPosix('a definition of version 2 beside it is told, and a process warning (D-23)', (t) => {
  const { options } = setUp(t);
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const other = join(options.directory, 'svc.servicedef.v2');
  writeFileSync(other, '');
  const url = new URL('../../src/backend/index.js', import.meta.url).href;
  const source = `import { installServiceDefinition } from ${JSON.stringify(url)};
    console.log((await installServiceDefinition(${JSON.stringify(options)})).overriddenBy);`;
  const { stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
  });
  t.is(stdout.trim(), other);
  t.regex(stderr, /BROKER_POOL_DEFINITION_OVERRIDDEN.*remove it/);
});

type Faulty = (folder: string) => Partial<ServiceDefinitionOptions>;

const faulty: readonly (readonly [string, Faulty, RegExp])[] = [
  [
    'a script (D-24, L-08)',
    (folder) => {
      writeFileSync(join(folder, 'run'), '#!/usr/bin/env node\n', { mode: 0o755 });
      return { binaryPath: join(folder, 'run') };
    },
    /^binaryPath is a script/,
  ],
  [
    'a file that is no image',
    (folder) => {
      writeFileSync(join(folder, 'run'), 'text', { mode: 0o755 });
      return { binaryPath: join(folder, 'run') };
    },
    /^binaryPath is no executable/,
  ],
  [
    'a file that cannot be executed',
    (folder) => {
      copyFileSync(join(folder, 'bin'), join(folder, 'run'));
      chmodSync(join(folder, 'run'), 0o644);
      return { binaryPath: join(folder, 'run') };
    },
    /^binaryPath cannot be executed: chmod \+x/,
  ],
  ['a directory', (folder) => ({ binaryPath: folder }), /^binaryPath is no file/],
  ['a missing file', (folder) => ({ binaryPath: join(folder, 'no') }), /^binaryPath leads nowhere/],
  ['a relative path', () => ({ binaryPath: 'bin' }), /^binaryPath must be an absolute path/],
  [
    'a directory that does not contain the executable (L-02)',
    (folder) => {
      mkdirSync(join(folder, 'other'));
      return { perVersionBinaryDir: join(folder, 'other') };
    },
    /^perVersionBinaryDir does not contain/,
  ],
  ['a bad name', () => ({ serviceName: 'Svc' }), /^serviceName must be/],
  ['a bad version', () => ({ versionAllowList: ['1.2'] }), /^versionAllowList\[0\] must be a version/],
  [
    'an instance without explicit isolation (D-04)',
    () => ({ explicitInstance: 'ci' }),
    /^explicitInstance and isolation/,
  ],
  [
    'explicit isolation without an instance (D-04)',
    () => ({ isolation: 'explicit' }),
    /^explicitInstance and isolation/,
  ],
  [
    'an open directory (D-03)',
    (folder) => {
      mkdirSync(join(folder, 'open'), { mode: 0o755 });
      return { directory: join(folder, 'open') };
    },
    /^directory has mode 755, and brokers want 700: chmod 700/,
  ],
];

for (const [what, change, message] of faulty) {
  onPosix(`${what} is INVALID_ARGUMENT, and nothing is written`, async (t) => {
    const { folder, options } = setUp(t);
    const all = { ...options, ...change(folder) };
    await t.throwsAsync(installServiceDefinition(all), { code: 'INVALID_ARGUMENT', message });
    t.false(existsSync(join(all.directory ?? '', 'svc.servicedef')));
  });
}

onPosix('a directory that cannot be made is DEFINITION_NOT_WRITTEN with the cause', async (t) => {
  const { folder, options } = setUp(t);
  writeFileSync(join(folder, 'file'), '');
  const error = await t.throwsAsync(
    installServiceDefinition({ ...options, directory: join(folder, 'file/x') }),
    {
      code: 'DEFINITION_NOT_WRITTEN',
    },
  );
  t.regex(error?.message ?? '', /ENOTDIR/);
});

onPosix('the directory comes from the variables that brokers read (D-01, D-21)', (t) => {
  t.is(definitionDirectory({ RUNNING_PROCESS_SERVICE_DEF_DIR: '/a' }), '/a');
  t.throws(() => definitionDirectory({ RUNNING_PROCESS_SERVICE_DEF_DIR: 'a' }), { code: 'INVALID_ARGUMENT' });
  if (process.platform === 'darwin') return;
  const configured = { RUNNING_PROCESS_SERVICE_DEF_DIR: '', XDG_CONFIG_HOME: '/b' };
  t.is(definitionDirectory(configured), '/b/running-process/services');
  t.regex(definitionDirectory({}), /\/\.config\/running-process\/services$/);
  t.throws(() => definitionDirectory({ XDG_CONFIG_HOME: '' }), { code: 'INVALID_ARGUMENT' });
});
