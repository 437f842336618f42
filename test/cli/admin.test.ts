import { AdminReplyKind, AdminVerb, type AdminRequest } from '../../src/wire/messages.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
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
  const options = ['--service', 'echo', '--json', '--output', '/x/bundle', '--drain-deadline', '250', '--timeout', '20000'];
  const result = await run('admin', 'backend-health', '--broker', broker.endpoint, ...options, '--trust-user', '0', '--trust-shared-directories');
  t.deepEqual(result, { exitCode: 3, stdout: 'no end of line\n', stderr: '' });
  t.deepEqual(asked, [{ verb: AdminVerb.BACKEND_HEALTH, json: true, serviceName: 'echo', outputPath: '/x/bundle', drainDeadlineMs: 250n }]);
});

test('a silent broker is a failure when the time is up, exit code 1', async (t) => {
  const { broker } = await startSystem(t);
  broker.adminBehaviour = { kind: 'silent' };
  const asking = run('admin', '--broker', broker.endpoint, '--timeout', '100');
  await broker.until(() => broker.adminCount === 1);
  const { exitCode, stdout, stderr } = await asking;
  broker.releaseSilent();
  t.is(exitCode, 1);
  t.is(stdout, '');
  t.regex(stderr, /^broker-pool admin: TIMEOUT: .* 100 ms/);
  t.false(stderr.includes('--help'), 'help would not help');
});

for (const [what, parameters, complaint] of [
  ['a verb that is none', ['frob'], /unknown verb "frob"; one of STATUS, /],
  ['the verb that says nothing', ['unspecified'], /unknown verb "unspecified"/],
  ['a second verb', ['status', 'extra'], /unexpected "extra"/],
  ['a time that is no number', ['--timeout', 'soon'], /--timeout must be a whole number from 1 up, not "soon"/],
  ['no time at all', ['--timeout', '0'], /--timeout must be a whole number from 1 up/],
  ['a user who is no number', ['--trust-user', 'root'], /--trust-user must be a whole number from 0 up, not "root"/],
  ['an option without its value', ['--broker'], /--broker/],
  ['an endpoint that cannot be one', ['--broker', 'relative'], /INVALID_ARGUMENT: brokerEndpoint must be /],
] as const) {
  test(`admin refuses ${what}`, async (t) => {
    const { exitCode, stdout, stderr } = await run('admin', ...parameters);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.true(stderr.startsWith('broker-pool admin: '));
    t.regex(stderr, complaint);
  });
}
