import { execFile, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { COMMANDS, loadAll } from '../../src/cli/commands.js';
import { overview, usageOf } from '../../src/cli/help.js';
import { LIBRARY_VERSION } from '../../src/version.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, POSIX, testWhere } from '../helpers/test-where.js';
import { MAIN, run, runIn } from './run.js';

const execute = promisify(execFile);
const NOWHERE = onWindows ? String.raw`\\.\pipe\nonexistent` : '/nonexistent';

for (const parameters of [[], ['--help'], ['-h']]) {
  test(`broker-pool ${parameters.join(' ')} prints its usage on stdout`, async (t) => {
    const { exitCode, stdout, stderr } = await run(...parameters);
    t.is(exitCode, 0);
    t.is(stderr, '');
    for (const command of ['demo', 'admin', 'endpoint']) t.true(stdout.includes(`\n  ${command} `), command);
  });
}

for (const command of ['demo', 'admin', 'endpoint']) {
  test(`broker-pool ${command} --help prints the usage of that command on stdout, and does nothing else`, async (t) => {
    const { exitCode, stdout, stderr } = await run(command, '--help');
    t.is(exitCode, 0);
    t.is(stderr, '');
    t.true(stdout.startsWith(`broker-pool ${command} `));
    t.deepEqual(await run(command, '-h'), { exitCode, stdout, stderr });
  });

  test(`broker-pool ${command} refuses an option that it does not have, with a hint and exit code 2`, async (t) => {
    const { exitCode, stdout, stderr } = await run(command, '--frob');
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.true(stderr.startsWith(`broker-pool ${command}: unknown option "--frob"`));
    t.true(stderr.endsWith(`broker-pool ${command} --help shows the usage\n`));
  });
}

for (const command of ['demo', 'endpoint']) {
  test(`broker-pool ${command} refuses a word without an option before it`, async (t) => {
    const { exitCode, stderr } = await run(command, 'extra');
    t.is(exitCode, 2);
    t.regex(stderr, /unexpected "extra"/);
  });
}

test('help is another word for --help, also before a command', async (t) => {
  t.deepEqual(await run('help'), await run('--help'));
  t.deepEqual(await run('help', 'admin'), await run('admin', '--help'));
});

test('with --json the usage is one line of JSON', async (t) => {
  for (const words of [['--help'], ['help'], ['admin', '--help'], ['serve', 'broker', '-h']]) {
    const { exitCode, stdout, stderr } = await run(...words, '--json');
    t.deepEqual([exitCode, stderr], [0, '']);
    t.deepEqual(JSON.parse(stdout), { help: (await run(...words)).stdout });
  }
});

test('a --json behind -- is no option', async (t) => {
  const { stderr } = await run('endpoint', '--', '--json');
  t.is(stderr.split('\n')[0], 'broker-pool endpoint: unexpected "--json"');
});

test('--version prints the version of the package', async (t) => {
  t.deepEqual(await run('--version'), { exitCode: 0, stdout: `${LIBRARY_VERSION}\n`, stderr: '' });
});

for (const [command, meant] of [
  ['frob', ''],
  ['--frob', ''],
  ['toString', ''],
  ['edpoint', '; did you mean endpoint?'],
] as const) {
  test(`the unknown command ${command} is named${meant}, with exit code 2`, async (t) => {
    t.deepEqual(await run(command), {
      exitCode: 2,
      stdout: '',
      stderr: `broker-pool: unknown command "${command}"${meant}\nbroker-pool --help shows the usage\n`,
    });
  });
}

test('a misspelt option is answered with the one that was meant', async (t) => {
  const { exitCode, stderr } = await run('admin', '--timout', '3');
  t.is(exitCode, 2);
  t.true(stderr.startsWith('broker-pool admin: unknown option "--timout"; did you mean --timeout?\n'));
});

test('an option is refused a value that it does not take, and none where it needs one', async (t) => {
  for (const [words, complaint] of [
    [['--json=yes'], '--json takes no value, not even "yes"'],
    [['--service'], '--service needs a value, NAME'],
    [
      ['--service', '--instance'],
      '--service needs a value, NAME; if it is to be "--instance", write --service=--instance',
    ],
  ] as const) {
    const { exitCode, stderr } = await run('endpoint', ...words);
    t.is(exitCode, 2);
    t.true(stderr.includes(`${complaint}\n`), stderr);
  }
});

test('with --json an error is one line of JSON on the error output', async (t) => {
  const { exitCode, stdout, stderr } = await run('endpoint', '--frob', '--json');
  t.deepEqual([exitCode, stdout], [2, '']);
  t.deepEqual(JSON.parse(stderr), { error: { message: 'unknown option "--frob"' } });
});

test('an error is coloured on a terminal, where NO_COLOR does not forbid it', async (t) => {
  const words = ['endpoint', '--service', 'Echo'];
  const shown = await runIn({ isTTY: true }, ...words);
  t.true(shown.stderr.startsWith('broker-pool endpoint: \u001B[31mINVALID_ARGUMENT\u001B[0m: '));
  const plain = await runIn({ isTTY: true, env: { NO_COLOR: '1' } }, ...words);
  t.true(plain.stderr.startsWith('broker-pool endpoint: INVALID_ARGUMENT: '));
  const forced = await runIn({ env: { FORCE_COLOR: '1' } }, ...words);
  t.is(forced.stderr, shown.stderr);
});

test('each command has the name by which it is listed', async (t) => {
  t.deepEqual(
    (await loadAll()).map(({ name }) => name),
    COMMANDS.map(({ name }) => name),
  );
});

test('no line of a usage text is longer than 110 characters', async (t) => {
  const texts = [overview(COMMANDS), ...(await loadAll()).map(usageOf)];
  t.deepEqual(
    texts.flatMap((text) => text.split('\n')).filter((line) => line.length > 110),
    [],
  );
});

testWhere(!onWindows, POSIX)('a directory as the input is an error, not an empty input', (t) => {
  const input = openSync(temporaryDirectory(t), 'r');
  for (const words of [
    ['connect', 'echo', '--broker', '/nonexistent'],
    ['request', 'echo', '--payload-protocol', '0xf001', '--broker', '/nonexistent'],
  ]) {
    const asked = spawnSync(process.execPath, [MAIN, ...words], { stdio: [input, 'pipe', 'pipe'] });
    const problem = 'cannot read the input: it is a directory; give a file or a pipe';
    t.is(String(asked.stderr), `broker-pool ${words[0]}: ${problem}\n`);
    t.deepEqual([asked.status, String(asked.stdout)], [1, '']);
  }
  closeSync(input);
});

test('main.js shows a warning of the package in one line, and doctor none beside its findings', (t) => {
  const env = { ...process.env, RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: 'abc' };
  const shown = (...words: string[]) =>
    spawnSync(process.execPath, [MAIN, ...words], { env, encoding: 'utf8' });
  const { stderr } = shown('admin', '--broker', NOWHERE);
  t.regex(
    stderr,
    /^broker-pool: warning: RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS=abc has no effect: .*\n.*BROKER_CONNECT.*\n$/,
  );
  const examined = shown('doctor', '--broker', NOWHERE);
  t.is(examined.stderr, '');
  t.true(examined.stdout.includes('RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: abc has no effect'));
});

test('main.js runs a command line with the streams and exit code of the process', async (t) => {
  const shown = await execute(process.execPath, [MAIN, '--version']);
  t.deepEqual(shown, { stdout: `${LIBRARY_VERSION}\n`, stderr: '' });
  const error: unknown = await t.throwsAsync(execute(process.execPath, [MAIN, 'frob']));
  t.like(error, {
    code: 2,
    stderr: 'broker-pool: unknown command "frob"\nbroker-pool --help shows the usage\n',
  });
});
