import type { Environment } from '../../../src/broker-options/environment.js';
import { checkEnvironment } from '../../../src/cli/doctor/environment.js';
import { onWindows, POSIX, testWhere } from '../../helpers/test-where.js';
import { machine } from './kit.js';

const onPosix = testWhere(!onWindows, POSIX);

for (const [env, verdict, subject, found] of [
  [{}, 'ok', 'XDG_RUNTIME_DIR', /^\//],
  [{ RUNNING_PROCESS_DISABLE: '1' }, 'warning', 'RUNNING_PROCESS_DISABLE', /do without the broker/],
  [
    { RUNNING_PROCESS_DISABLE: 'true' },
    'failure',
    'RUNNING_PROCESS_DISABLE',
    /must be unset or 1, got "true"/,
  ],
  [{ RUNNING_PROCESS_DISABLE: '' }, 'failure', 'RUNNING_PROCESS_DISABLE', /must be unset or 1, got ""/],
  [{ RUNNING_PROCESS_FAKE_BACKEND: '/x.sock' }, 'warning', 'RUNNING_PROCESS_FAKE_BACKEND', /takes the place/],
  [
    { RUNNING_PROCESS_FAKE_BACKEND: 'x' },
    'failure',
    'RUNNING_PROCESS_FAKE_BACKEND',
    /must be an absolute path/,
  ],
  [
    { RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: ' 0250 ' },
    'ok',
    'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
    /250 ms/,
  ],
  [
    { RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: '5s' },
    'warning',
    'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
    /5s has no effect, and the limit is 30000 ms/,
  ],
  [
    { RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: '000' },
    'warning',
    'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
    /000 has no effect/,
  ],
  [{ BROKER_POOL_FFI: 'no' }, 'warning', 'BROKER_POOL_FFI', /no has no effect: only 0 switches it off/],
  [
    { RUNNING_PROCESS_DISABEL: '1' },
    'warning',
    'RUNNING_PROCESS_DISABEL',
    /no program reads it; did you mean RUNNING_PROCESS_DISABLE\?/,
  ],
  [
    { RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT: '1' },
    'warning',
    'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT',
    /did you mean RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS\?/,
  ],
  [{ BROKER_POOL_FII: '0' }, 'warning', 'BROKER_POOL_FII', /did you mean BROKER_POOL_FFI\?/],
  [
    { RUNNING_PROCESS_BROKER_V1_SOCKET: '/x.sock' },
    'warning',
    'RUNNING_PROCESS_BROKER_V1_SOCKET',
    /upstream's command line alone/,
  ],
] satisfies [Environment, string, string, RegExp][])
  onPosix(`${JSON.stringify(env)} is ${verdict}`, (t) => {
    const { examination, folder } = machine(t, { platform: 'linux' });
    const findings = checkEnvironment({ ...examination, env: { XDG_RUNTIME_DIR: folder, ...env } });
    t.deepEqual(
      findings.filter((finding) => finding.subject === subject).map((finding) => finding.verdict),
      [verdict],
    );
    t.regex(findings.find((finding) => finding.subject === subject)?.found ?? '', found);
  });

onPosix('variables of brokers, of launched backends and of tests are known', (t) => {
  const { examination, folder } = machine(t, { platform: 'linux' });
  const env = {
    XDG_RUNTIME_DIR: folder,
    RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS: '1',
    RUNNING_PROCESS_BROKER_V1_INSTANCE: 'x',
    BROKER_POOL_TEST_SEED: '1',
    BROKER_POOL_IO_URING: '0',
  };
  t.deepEqual(
    checkEnvironment({ ...examination, env }).map(({ subject }) => subject),
    ['XDG_RUNTIME_DIR'],
  );
});

onPosix('an unset runtime directory, and directories that are no absolute paths, are found', (t) => {
  const { examination } = machine(t, { platform: 'linux', definitionDirectory: undefined });
  const env = { XDG_CONFIG_HOME: 'relative' };
  t.deepEqual(
    checkEnvironment({ ...examination, env }).map(({ verdict, subject }) => [verdict, subject]),
    [
      ['warning', 'XDG_RUNTIME_DIR'],
      ['failure', 'definitions'],
    ],
  );
});
