import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from '../../src/cli/commands.js';
import { optionsOf } from '../../src/cli/parse.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import { run } from './run.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

function isInstalled(shell: string): boolean {
  return spawnSync(shell, ['-c', 'exit 0']).status === 0;
}

async function scriptFor(shell: string): Promise<string> {
  const { exitCode, stdout, stderr } = await run('completion', shell);
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}

for (const shell of SHELLS) {
  test(`the script for ${shell} has each command with each of its options`, async (t) => {
    const script = await scriptFor(shell);
    for (const command of await loadAll()) {
      for (const word of command.name.split(' ')) t.true(script.includes(word), word);
      for (const option of Object.keys(optionsOf(command)))
        t.true(script.includes(shell === 'fish' ? ` -l ${option} ` : `--${option}`), option);
    }
  });

  testWhere(isInstalled(shell), shell)(`${shell} can read its script`, async (t) => {
    const file = join(temporaryDirectory(t), 'script');
    writeFileSync(file, await scriptFor(shell));
    const checked = spawnSync(shell, ['-n', file]);
    t.deepEqual([checked.status, String(checked.stderr)], [0, '']);
  });
}

testWhere(isInstalled('bash'), 'bash')('bash completes commands, options and values', async (t) => {
  const lines = [
    [['co'], 'connect completion'],
    [['serve', ''], 'broker backend'],
    [['serve', 'broker', '--re'], '--refuse --retry-after'],
    [['serve', 'broker', '--refuse', 'RA'], 'RATE_LIMITED'],
    [['admin', 'HE'], 'HEALTHZ'],
    [['admin', '--timeout', ''], ''],
    [['connect', 'echo', '--ti'], '--timeout'],
  ] as const;
  const script = [
    await scriptFor('bash'),
    'try() { COMP_WORDS=(broker-pool "$@"); COMP_CWORD=$#; _broker_pool; echo "${COMPREPLY[*]}"; }',
    ...lines.map(([words]) => `try ${words.map((word) => `'${word}'`).join(' ')}`),
  ].join('\n');
  const { stdout, stderr } = spawnSync('bash', ['-s'], { input: script });
  t.is(String(stderr), '');
  t.deepEqual(
    String(stdout).trimEnd().split('\n'),
    lines.map(([, found]) => found),
  );
});

test('completion --json prints the script as JSON', async (t) => {
  const { exitCode, stdout } = await run('completion', 'fish', '--json');
  t.is(exitCode, 0);
  t.deepEqual(JSON.parse(stdout), { shell: 'fish', script: await scriptFor('fish') });
});

test('completion refuses a shell that it does not know', async (t) => {
  t.like(await run('completion', 'basch'), {
    exitCode: 2,
    stderr:
      'broker-pool completion: SHELL must be one of bash, zsh, fish, not "basch"; did you mean bash?\n' +
      'broker-pool completion --help shows the usage\n',
  });
});
