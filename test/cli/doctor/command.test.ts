import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { CHECKS } from '../../../src/cli/doctor/checks.js';
import { findingText, summary } from '../../../src/cli/doctor/report.js';
import { isColoured } from '../../../src/cli/style.js';
import { DOCTOR_PAGE, withDoctorTable } from '../../helpers/doctor-table.js';
import { onWindows, POSIX, testWhere } from '../../helpers/test-where.js';
import test from '../../helpers/sanitary.js';
import { run, runIn, start } from '../run.js';
import { machine, startBroker } from './kit.js';

const onPosix = testWhere(!onWindows, POSIX);

onPosix('doctor prints each finding with what to do, and exits with 1 for a failure', async (t) => {
  const { examination, endpoint, folder } = machine(t);
  const { env } = examination;
  const words = ['doctor', '--service-def-dir', `${folder}/definitions`];
  const without = await runIn({ env }, ...words);
  t.like(without, { exitCode: 1, stderr: '' });
  t.true(
    without.stdout.includes(
      `failure  broker: does not run: there is no ${endpoint}\n         → start it, or correct --broker\n`,
    ),
  );
  t.regex(without.stdout, /\n\n\d+ findings: 1 failure, \d+ warnings?\n$/);
  await startBroker(t, endpoint);
  const sound = await runIn({ env }, ...words);
  t.is(sound.exitCode, 0, sound.stdout);
  t.regex(sound.stdout, /^ok {7}broker: answers: instance .*$/m);
});

onPosix('doctor --json prints the findings of each check by name', async (t) => {
  const { examination, endpoint } = machine(t);
  await startBroker(t, endpoint);
  const { exitCode, stdout } = await runIn(
    { env: { ...examination.env, RUNNING_PROCESS_DISABLE: '0' } },
    'doctor',
    '--json',
  );
  t.is(exitCode, 1);
  const report: { exitCode: number; schemaVersion: number; findings: Record<string, string>[] } =
    JSON.parse(stdout);
  t.like(report, { schemaVersion: 1, command: 'doctor', exitCode: 1 });
  t.like(
    report.findings.find(({ verdict }) => verdict === 'failure'),
    {
      check: 'environment',
      subject: 'RUNNING_PROCESS_DISABLE',
      advice: 'unset RUNNING_PROCESS_DISABLE, or set it to 1',
    },
  );
  const names = CHECKS.map(({ name }) => name);
  t.true(report.findings.every(({ check = '' }) => names.includes(check)));
});

onPosix('an interrupted doctor does not wait for a silent broker', async (t) => {
  const { examination, endpoint } = machine(t);
  const broker = await startBroker(t, endpoint);
  broker.adminBehaviour = { kind: 'silent' };
  const controller = new AbortController();
  const running = runIn({ env: examination.env, signal: controller.signal }, 'doctor');
  await broker.until(() => broker.adminCount === 1);
  controller.abort();
  t.like(await running, { exitCode: 1, stderr: '' });
  broker.releaseSilent();
});

onPosix('doctor says that it waits for the reply of a silent broker, and waits (V-31)', async (t) => {
  const { examination, endpoint } = machine(t);
  const broker = await startBroker(t, endpoint);
  broker.adminBehaviour = { kind: 'silent' };
  const running = start(['doctor', '--timeout', '50'], { env: examination.env });
  const [said]: unknown[] = await once(running.stderr, 'data');
  t.regex(String(said), /waiting for the reply that the broker owes/);
  t.true(
    await Promise.race([
      running.ended.then(() => false),
      broker.until(() => broker.adminCount === 1).then(() => true),
    ]),
  );
  broker.releaseSilent();
  t.like(await running.ended, { exitCode: 1 });
});

for (const [words, complaint] of [
  [['Echo'], /INVALID_ARGUMENT: the service must be 1 to 64 characters/],
  [['echo', '1.2'], /INVALID_ARGUMENT: the version must be a version such as/],
  [['echo', '1.2.3', 'extra'], /unexpected "extra"/],
  [['--broker', ''], /INVALID_ARGUMENT: --broker must /],
  [['--timeout', '0'], /--timeout must be a whole number from 1 to/],
] as const)
  test(`doctor refuses ${words.join(' ')}`, async (t) => {
    const { exitCode, stdout, stderr } = await run('doctor', ...words);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.regex(stderr, complaint);
  });

test('colours are those of a terminal, unless NO_COLOR or FORCE_COLOR decides otherwise', (t) => {
  const output = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY });
  t.true(isColoured(output(true), {}));
  t.false(isColoured(output(false), {}));
  t.false(isColoured(output(true), { NO_COLOR: '1', FORCE_COLOR: '1' }));
  t.true(isColoured(output(true), { NO_COLOR: '' }));
  t.true(isColoured(output(false), { FORCE_COLOR: '1' }));
  t.false(isColoured(output(true), { FORCE_COLOR: '0' }));
  const finding = { check: 'node', verdict: 'warning', subject: 'a', found: 'b', advice: 'c' } as const;
  t.is(findingText(finding, false), 'warning  a: b\n         → c\n');
  t.is(findingText(finding, true), '\u001B[33mwarning\u001B[0m  a: b\n         → c\n');
  t.is(summary([finding]), '1 finding: 0 failures, 1 warning\n');
});

test('a finding is wrapped between words below its subject, its advice and a long word are not', (t) => {
  const [found, advice] = ['is no directory', 'mkdir -m 700 /a/b'];
  const finding = { check: 'node', verdict: 'failure', subject: '/a-long-path', found, advice } as const;
  t.is(
    findingText(finding, false, 20),
    `failure  /a-long-path:\n         is no\n         directory\n         → ${advice}\n`,
  );
});

test('the checks in docs/doctor.md are those that `npm run generate:docs` writes', (t) => {
  const page = readFileSync(new URL(`../../../../${DOCTOR_PAGE}`, import.meta.url), 'utf8');
  t.is(withDoctorTable(page), page);
  for (const { name } of CHECKS) t.true(page.includes(`\n| \`${name}\` |`), name);
});
