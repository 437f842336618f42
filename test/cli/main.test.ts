import { LIBRARY_VERSION } from '../../src/version.js';
import test from '../helpers/sanitary.js';
import { run } from './run.js';

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
    t.true(stderr.startsWith(`broker-pool ${command}: Unknown option '--frob'`));
    t.true(stderr.endsWith(`broker-pool ${command} --help shows the usage\n`));
  });
}

for (const command of ['demo', 'endpoint']) {
  test(`broker-pool ${command} refuses a word without an option before it`, async (t) => {
    const { exitCode, stderr } = await run(command, 'extra');
    t.is(exitCode, 2);
    t.regex(stderr, /'extra'/);
  });
}

test('--version prints the version of the package', async (t) => {
  t.deepEqual(await run('--version'), { exitCode: 0, stdout: `${LIBRARY_VERSION}\n`, stderr: '' });
});

for (const command of ['frob', '--frob', 'toString']) {
  test(`the unknown command ${command} is named before the usage, with exit code 2`, async (t) => {
    const { exitCode, stdout, stderr } = await run(command);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.true(stderr.startsWith(`broker-pool: unknown command "${command}"\n\nbroker-pool COMMAND`));
  });
}
