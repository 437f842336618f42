import { readdirSync, readFileSync } from 'node:fs';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import * as fc from 'fast-check';
import {
  brokerDisabledByEnv,
  clientTimeoutFromEnv,
  fakeBackendFromEnv,
} from '../../src/broker-options/environment.js';
import { EnvironmentVariables } from '../../src/index.js';
import { BrokerPoolError } from '../../src/errors.js';
import { LONGEST_TIMER_MS } from '../../src/clock.js';

const FAKE = endpointIn('/run', 'fake');
const invalidSwitches = ['', '0', 'true', ' 1', '1 ', '01', 'yes', '１'];

test('the broker is in use while RUNNING_PROCESS_DISABLE is unset, and not when it is 1 (C-20)', (t) => {
  t.false(brokerDisabledByEnv({}));
  t.false(brokerDisabledByEnv({ RUNNING_PROCESS_DISABLE: undefined }));
  t.true(brokerDisabledByEnv({ RUNNING_PROCESS_DISABLE: '1' }));
});

test('any other value of RUNNING_PROCESS_DISABLE is an error that quotes it (C-20, E-12)', (t) => {
  for (const value of invalidSwitches) {
    t.throws(() => brokerDisabledByEnv({ RUNNING_PROCESS_DISABLE: value }), {
      instanceOf: BrokerPoolError,
      code: 'BROKER_DISABLE_ENV',
      message: `RUNNING_PROCESS_DISABLE must be unset or 1, got "${value}"`,
    });
  }
});

test.serial('the process environment is asked by default, anew each time (C-28)', (t) => {
  const names = [
    'RUNNING_PROCESS_DISABLE',
    'RUNNING_PROCESS_FAKE_BACKEND',
    'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
  ] as const;
  const before = names.map((name) => process.env[name]);
  t.teardown(() => {
    for (const [index, name] of names.entries()) {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    }
  });
  for (const name of names) delete process.env[name];
  t.deepEqual(
    [brokerDisabledByEnv(), fakeBackendFromEnv(), clientTimeoutFromEnv()],
    [false, undefined, 30_000],
  );
  process.env['RUNNING_PROCESS_FAKE_BACKEND'] = FAKE;
  process.env['RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS'] = '250';
  t.deepEqual([brokerDisabledByEnv(), fakeBackendFromEnv(), clientTimeoutFromEnv()], [false, FAKE, 250]);
  process.env['RUNNING_PROCESS_DISABLE'] = '1';
  t.deepEqual([brokerDisabledByEnv(), fakeBackendFromEnv(), clientTimeoutFromEnv()], [true, undefined, 250]);
});

test('a whole number above 0 is the round-trip limit, blanks around it aside (C-28)', (t) => {
  const blanks = fc.stringMatching(/^[ \t\n]{0,3}$/);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: LONGEST_TIMER_MS }),
      blanks,
      blanks,
      (milliseconds, before, after) => {
        return (
          clientTimeoutFromEnv({
            RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: `${before}${milliseconds}${after}`,
          }) === milliseconds
        );
      },
    ),
  );
  // As Rust's integers are read: a plus sign and leading zeros are fine.
  t.is(clientTimeoutFromEnv({ RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: '+0250' }), 250);
});

test('the round-trip limit is 30 s without a usable number (C-28)', (t) => {
  t.is(clientTimeoutFromEnv({}), 30_000);
  for (const value of [
    '',
    ' ',
    '0',
    '00',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    '250ms',
    '1 000',
    '++1',
    '+',
    'Infinity',
    '18446744073709551616',
  ]) {
    t.is(
      clientTimeoutFromEnv({ RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: value }),
      30_000,
      JSON.stringify(value),
    );
  }
});

test('a round-trip limit beyond the longest timer becomes the longest timer', (t) => {
  for (const value of ['2147483647', '2147483648', '18446744073709551615']) {
    t.is(clientTimeoutFromEnv({ RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: value }), LONGEST_TIMER_MS);
  }
});

test('a fake backend is any non-empty RUNNING_PROCESS_FAKE_BACKEND (C-22, C-24)', (t) => {
  t.is(fakeBackendFromEnv({ RUNNING_PROCESS_FAKE_BACKEND: FAKE }), FAKE);
  t.is(fakeBackendFromEnv({ RUNNING_PROCESS_FAKE_BACKEND: '' }), undefined);
  t.is(fakeBackendFromEnv({}), undefined);
});

test('a broker switched off takes the fake backend with it (C-25)', (t) => {
  t.is(fakeBackendFromEnv({ RUNNING_PROCESS_FAKE_BACKEND: FAKE, RUNNING_PROCESS_DISABLE: '1' }), undefined);
});

test('an invalid switch neither suppresses the fake backend nor throws (C-26)', (t) => {
  for (const value of invalidSwitches) {
    t.is(fakeBackendFromEnv({ RUNNING_PROCESS_FAKE_BACKEND: FAKE, RUNNING_PROCESS_DISABLE: value }), FAKE);
  }
});

test('the names of the environment variables are exported', (t) => {
  t.deepEqual(EnvironmentVariables, {
    DISABLE: 'RUNNING_PROCESS_DISABLE',
    FAKE_BACKEND: 'RUNNING_PROCESS_FAKE_BACKEND',
    CLIENT_TIMEOUT_MS: 'RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS',
    RUNTIME_DIRECTORY: 'XDG_RUNTIME_DIR',
    TEMPORARY_DIRECTORY: 'TMPDIR',
    FFI: 'BROKER_POOL_FFI',
    IO_URING: 'BROKER_POOL_IO_URING',
  });
  t.true(Object.isFrozen(EnvironmentVariables));
  t.true(brokerDisabledByEnv({ [EnvironmentVariables.DISABLE]: '1' }));
});

test('every environment variable that the sources name literally has its name exported, but for the root of Windows', (t) => {
  const sources = globSources(new URL('../../../src/', import.meta.url));
  const named = new Set(
    sources.flatMap((text) => Array.from(text.matchAll(/process\.env\['(\w+)'\]/g), ([, name]) => name)),
  );
  t.true(named.size > 0);
  named.delete('SystemRoot');
  const exported: ReadonlySet<string | undefined> = new Set(Object.values(EnvironmentVariables));
  t.deepEqual(
    [...named].filter((name) => !exported.has(name)),
    [],
  );
});

function globSources(folder: URL): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return names.map((name) => readFileSync(new URL(name, folder), 'utf8'));
}
