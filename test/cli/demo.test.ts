import { canHandOff } from '../../src/testing/index.js';
import test from '../helpers/sanitary.js';
import { run } from './run.js';

test('demo --json prints the figures of every contender as JSON, and nothing else', async (t) => {
  const { exitCode, stdout, stderr } = await run('demo', '--json', '--connects', '2');
  t.deepEqual([exitCode, stderr], [0, '']);
  const results: Record<string, unknown>[] = JSON.parse(stdout);
  const labels = [
    'net.connect, bare',
    'pooled, idle reused',
    'hello-skip',
    'broker-negotiated',
    ...(canHandOff() ? ['handle-passed'] : []),
  ];
  t.deepEqual(
    results.map(({ label }) => label),
    labels,
  );
  for (const { count, p50Us, p90Us, p99Us } of results) {
    t.is(count, 2);
    t.true(Number(p50Us) > 0 && Number(p90Us) >= Number(p50Us) && Number(p99Us) >= Number(p90Us));
  }
});

// That it runs is shown in test/package.test.ts.
for (const connects of ['0', '-1', '1.5', 'many', '1e3', '']) {
  test(`demo refuses ${JSON.stringify(connects)} connections`, async (t) => {
    const { exitCode, stdout, stderr } = await run('demo', `--connects=${connects}`);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.regex(stderr, /^broker-pool demo: --connects must be a whole number from 1 up, not /);
  });
}
