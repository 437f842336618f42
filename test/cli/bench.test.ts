import { bucketsOf, figuresOf } from '../../src/cli/bench/samples.js';
import { duration, picture } from '../../src/cli/bench/picture.js';
import test from '../helpers/sanitary.js';
import { SERVICE, startSystem, VERSION } from '../helpers/system.js';
import { run, start } from './run.js';

/** More time than any measure takes: it ends at its count, on a busy machine too. */
const ENOUGH_TIME = ['--time', '600000'];

test('bench measures four things, with one Hello at a time and few of them', async (t) => {
  const { broker } = await startSystem(t, { backend: { payloadProtocols: [0xf001] } });
  const words = ['bench', SERVICE, '--broker', broker.endpoint, '--payload-protocol', '0xf001'];
  const { exitCode, stdout, stderr } = await run(
    ...words,
    ...ENOUGH_TIME,
    '--json',
    '--hellos',
    '3',
    '--count',
    '5',
  );
  t.deepEqual([exitCode, stderr], [0, '']);
  const result: { measures: { name: string; count: number; p50Us: number; buckets: unknown[] }[] } =
    JSON.parse(stdout);
  t.like(result, { serviceName: SERVICE, wantedVersion: VERSION });
  t.deepEqual(
    result.measures.map(({ name, count }) => [name, count]),
    [
      ['negotiated connect', 3],
      ['Hello-skip', 5],
      ['acquire, release', 5],
      ['request', 5],
    ],
  );
  for (const { p50Us, buckets } of result.measures) t.true(p50Us > 0 && buckets.length > 0);
  t.is(broker.helloCount, 5);
  t.is(broker.earlyHangUps, 0);
});

test('bench ends each measure after its time, with one sample at least', async (t) => {
  const { broker } = await startSystem(t);
  const words = ['bench', SERVICE, '--broker', broker.endpoint, '--time', '1', '--count', '1000000'];
  const { exitCode, stdout } = await run(...words);
  t.is(exitCode, 0);
  t.regex(stdout, /^demo 1\.0\.0, backend at .*\n\nnegotiated connect +p50 /);
  for (const name of ['Hello-skip', 'acquire, release']) t.true(stdout.includes(`\n${name} `), name);
});

test('bench gives up on a backend that closes early, before it has asked the broker often', async (t) => {
  const { broker } = await startSystem(t, { backend: { onConnection: (socket) => socket.destroy() } });
  const words = ['bench', SERVICE, '--broker', broker.endpoint, '--hellos', '1', '--count', '1000'];
  const { exitCode, stderr } = await run(...words);
  t.true(broker.helloCount < 50, String(broker.helloCount));
  if (exitCode !== 0) {
    t.is(exitCode, 6);
    t.regex(stderr, /the backend closes connections early\. See its log\.\n$/);
  }
  t.is(broker.earlyHangUps, 0);
});

test('bench reports a refusal, and does not try again', async (t) => {
  const { broker } = await startSystem(t);
  t.like(await run('bench', SERVICE, '2.0.0', '--broker', broker.endpoint), { exitCode: 4, stdout: '' });
  t.is(broker.helloCount, 1);
});

test('a user who interrupts bench in mid-Hello leaves the broker with no early hang-up', async (t) => {
  const { broker } = await startSystem(t);
  const controller = new AbortController();
  broker.script({ kind: 'answer' }, { kind: 'answer' }, { kind: 'silent' });
  const words = ['bench', SERVICE, '--broker', broker.endpoint, ...ENOUGH_TIME];
  const command = start(words, { signal: controller.signal });
  await broker.until(() => broker.helloCount === 3);
  controller.abort();
  t.like(await command.ended, { exitCode: 1, stderr: '' });
  broker.releaseSilent();
  await broker.until(() => broker.openConnections === 0);
  t.is(broker.earlyHangUps, 0);
});

test('figures are those of the sorted samples', (t) => {
  const samples = Array.from({ length: 100 }, (_, index) => (index + 1) / 1_000);
  t.deepEqual(figuresOf(samples), {
    count: 100,
    meanUs: 50.5,
    p50Us: 50,
    p90Us: 90,
    p99Us: 99,
    maxUs: 100,
  });
  t.like(figuresOf([2]), { count: 1, p50Us: 2_000, p99Us: 2_000, maxUs: 2_000 });
});

test('buckets reach from the first sample to the last, empty ones between them included', (t) => {
  t.deepEqual(bucketsOf([0.02, 0.021, 0.3]), [
    { fromMs: 0.01, toMs: 0.02, count: 1 },
    { fromMs: 0.02, toMs: 0.05, count: 1 },
    { fromMs: 0.05, toMs: 0.1, count: 0 },
    { fromMs: 0.1, toMs: 0.2, count: 0 },
    { fromMs: 0.2, toMs: 0.5, count: 1 },
  ]);
  t.deepEqual(bucketsOf([0]), [{ fromMs: 0, toMs: 0.0001, count: 1 }]);
  t.deepEqual(bucketsOf([]), []);
});

test('a histogram shows each sample, in bars to scale', (t) => {
  const samples = [...Array.from({ length: 80 }, () => 1.5), 7];
  t.is(
    picture('Hello-skip', samples, 250, false),
    [
      'Hello-skip         p50 1.5 ms p90 1.5 ms p99 7 ms   max 7 ms   81 in 250 ms',
      `         1 ms – 2 ms ${'█'.repeat(40)} 80`,
      `         2 ms – 5 ms ${' '.repeat(40)} 0`,
      `        5 ms – 10 ms ${'▌'.padEnd(40)} 1`,
    ].join('\n'),
  );
  t.true(picture('Hello-skip', samples, 250, true).startsWith('\u001B[1mHello-skip'));
});

test('durations have the unit that suits them', (t) => {
  t.deepEqual([0, 0.0004, 0.05, 1.26, 15.4, 2_345].map(duration), [
    '0',
    '0.4 µs',
    '50 µs',
    '1.3 ms',
    '15 ms',
    '2.3 s',
  ]);
});
