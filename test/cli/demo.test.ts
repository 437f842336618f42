import test from '../helpers/sanitary.js';
import { run } from './run.js';

// That it runs is shown in test/package.test.ts.
for (const connects of ['0', '-1', '1.5', 'many', '1e3', '']) {
  test(`demo refuses ${JSON.stringify(connects)} connections`, async (t) => {
    const { exitCode, stdout, stderr } = await run('demo', `--connects=${connects}`);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.regex(stderr, /^broker-pool demo: --connects must be a whole number from 1 up, not /);
  });
}
