import { AdminReplyKind, AdminVerb, type AdminRequest } from '../../src/wire/messages.js';
import { EmbeddedBroker } from '../../src/testing/index.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { onWindows, testWhere } from '../helpers/test-where.js';
import { run } from './run.js';

test('admin prints the answer, STATUS where no verb is named', async (t) => {
  const { broker } = await startSystem(t);
  const status = await run('admin', '--broker', broker.endpoint);
  t.like(status, { exitCode: 0, stderr: '' });
  t.regex(status.stdout, /^broker_instance: /);
  t.like(await run('admin', 'healthz', '--broker', broker.endpoint), { exitCode: 0, stdout: 'ok\n' });
});

test('every option of admin reaches the broker, and its exit code comes back', async (t) => {
  const { broker } = await startSystem(t);
  const asked: AdminRequest[] = [];
  broker.answerAdmin = (request) => {
    asked.push(request);
    return { kind: AdminReplyKind.TEXT, body: 'no end of line', exitCode: 3, contentType: 'text/plain' };
  };
  const options = [
    '--service',
    'echo',
    '--json',
    '--output',
    '/x/bundle',
    '--drain-deadline',
    '250',
    '--timeout',
    '20000',
  ];
  const result = await run(
    'admin',
    'backend-health',
    '--broker',
    broker.endpoint,
    ...options,
    // Pipes have neither owners nor directories.
    ...(onWindows ? [] : ['--trust-user', '0', '--trust-shared-directories']),
  );
  t.like(result, { exitCode: 3, stderr: '' });
  t.deepEqual(JSON.parse(result.stdout), {
    verb: 'BACKEND_HEALTH',
    kind: 'text',
    contentType: 'text/plain',
    exitCode: 3,
    body: 'no end of line',
  });
  t.deepEqual(asked, [
    {
      verb: AdminVerb.BACKEND_HEALTH,
      json: true,
      serviceName: 'echo',
      outputPath: '/x/bundle',
      drainDeadlineMs: 250n,
    },
  ]);
});

test("admin --json prints the broker's own JSON as it is, and without --json a text as it is", async (t) => {
  const { broker } = await startSystem(t);
  broker.answerAdmin = ({ json }) =>
    json
      ? { kind: AdminReplyKind.JSON, body: '{"a":1}', exitCode: 0, contentType: 'application/json' }
      : { kind: AdminReplyKind.TEXT, body: 'a: 1', exitCode: 0, contentType: 'text/plain' };
  t.like(await run('admin', '--json', '--broker', broker.endpoint), { exitCode: 0, stdout: '{"a":1}\n' });
  t.like(await run('admin', '--broker', broker.endpoint), { exitCode: 0, stdout: 'a: 1\n' });
});

testWhere(process.platform === 'linux', 'abstract names')(
  'admin takes @name for an abstract name',
  async (t) => {
    const name = `broker-pool-test-${process.pid}`;
    await using broker = await EmbeddedBroker.start({ endpoint: `\0${name}` });
    t.is(broker.endpoint, `\0${name}`);
    t.like(await run('admin', 'healthz', '--broker', `@${name}`), {
      exitCode: 0,
      stdout: 'ok\n',
      stderr: '',
    });
  },
);

test('a silent broker is a failure when the time is up, exit code 5', async (t) => {
  const { broker } = await startSystem(t);
  broker.adminBehaviour = { kind: 'silent' };
  const asking = run('admin', '--broker', broker.endpoint, '--timeout', '100');
  await broker.until(() => broker.adminCount === 1);
  const { exitCode, stdout, stderr } = await asking;
  broker.releaseSilent();
  t.is(exitCode, 5);
  t.is(stdout, '');
  t.regex(stderr, /^broker-pool admin: TIMEOUT: .* 100 ms/);
  t.false(stderr.includes('--help'), 'help would not help');
});

for (const [what, parameters, complaint] of [
  ['a verb that is none', ['frob'], /unknown verb "frob"; one of STATUS, /],
  ['the verb that says nothing', ['unspecified'], /unknown verb "unspecified"/],
  ['a second verb', ['status', 'extra'], /unexpected "extra"/],
  [
    'a time that is no number',
    ['--timeout', 'soon'],
    /--timeout must be a whole number from 1 to 2147483647, not "soon"/,
  ],
  ['no time at all', ['--timeout', '0'], /--timeout must be a whole number from 1 to 2147483647/],
  [
    'a user who is no number',
    ['--trust-user', 'root'],
    /--trust-user must be a whole number from 0 up, not "root"/,
  ],
  ['an option without its value', ['--broker'], /--broker/],
  ['an endpoint that cannot be one', ['--broker', ''], /INVALID_ARGUMENT: --broker must be /],
] as const) {
  test(`admin refuses ${what}`, async (t) => {
    const { exitCode, stdout, stderr } = await run('admin', ...parameters);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.true(stderr.startsWith('broker-pool admin: '));
    t.regex(stderr, complaint);
  });
}
