import { endpointArgument, shownEndpoint } from '../../src/cli/values.js';
import { instanceBrokerEndpoint, serviceBrokerEndpoint, sharedBrokerEndpoint } from '../../src/index.js';
import test from '../helpers/sanitary.js';
import { onWine, testWhere, USER_ID } from '../helpers/test-where.js';
import { run } from './run.js';

testWhere(!onWine, USER_ID)('endpoint prints what the functions derive', async (t) => {
  t.deepEqual(await run('endpoint'), { exitCode: 0, stdout: `${sharedBrokerEndpoint()}\n`, stderr: '' });
  t.like(await run('endpoint', '--service', 'echo'), {
    exitCode: 0,
    stdout: `${serviceBrokerEndpoint('echo')}\n`,
  });
  t.like(await run('endpoint', '--instance=mine'), {
    exitCode: 0,
    stdout: `${instanceBrokerEndpoint('mine')}\n`,
  });
});

testWhere(!onWine, USER_ID)('endpoint --json prints the endpoint as JSON', async (t) => {
  const { exitCode, stdout } = await run('endpoint', '--service', 'echo', '--json');
  t.is(exitCode, 0);
  t.deepEqual(JSON.parse(stdout), { endpoint: serviceBrokerEndpoint('echo') });
});

test('an abstract name is shown as it can be typed', (t) => {
  t.is(shownEndpoint('\0name'), '@name');
  t.is(shownEndpoint('/run/a@b.sock'), '/run/a@b.sock');
  if (process.platform === 'linux') t.is(endpointArgument('', shownEndpoint('\0name')), '\0name');
  t.is(endpointArgument('', '/run/a@b.sock'), '/run/a@b.sock');
});

test('endpoint refuses two names at once, and a name that is none', async (t) => {
  t.like(await run('endpoint', '--service', 'a', '--instance', 'b'), { exitCode: 2, stdout: '' });
  const { exitCode, stderr } = await run('endpoint', '--service', 'Echo');
  t.is(exitCode, 2);
  t.regex(stderr, /^broker-pool endpoint: INVALID_ARGUMENT: the service must be /);
});
