import {
  brokerDisabledByEnv,
  clientTimeoutFromEnv,
  EnvironmentVariables,
} from '../../broker-options/environment.js';
import { definitionDirectory, DIRECTORY_VARIABLE } from '../../backend/definition/definition-directory.js';
import { LISTENER_VARIABLE } from '../../backend/listening/launch-environment.js';
import { didYouMean } from '../../did-you-mean.js';
import { parseEndpoint } from '../../endpoint.js';
import { printable, textOf } from '../../errors.js';
import type { Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';

const {
  DISABLE,
  FAKE_BACKEND,
  CLIENT_TIMEOUT_MS: CLIENT_TIMEOUT,
  RUNTIME_DIRECTORY,
  TEMPORARY_DIRECTORY,
  FFI,
  IO_URING,
} = EnvironmentVariables;
const BROKER_SOCKET = 'RUNNING_PROCESS_BROKER_V1_SOCKET';

/** Variables that brokers, backends and upstream's tools read, and this client does not. */
const READ_BY_OTHER_PROGRAMS: readonly string[] = [
  BROKER_SOCKET,
  DIRECTORY_VARIABLE,
  LISTENER_VARIABLE,
  'RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED',
  'RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR',
  'RUNNING_PROCESS_BROKER_HELLO_PERF_GUARD',
  'RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS',
  'RUNNING_PROCESS_BROKER_OWNED_BIND',
  'RUNNING_PROCESS_DAEMON_SCOPE',
  'RUNNING_PROCESS_IS_DAEMON',
  'RUNNING_PROCESS_MANIFEST_DIR',
  'RUNNING_PROCESS_NO_TRACKING',
];
const KNOWN: readonly string[] = [...Object.values(EnvironmentVariables), ...READ_BY_OTHER_PROGRAMS];
const RESERVED_PREFIX = /^(?:RUNNING_PROCESS|BROKER_POOL)_/i;
/** Variables that a broker sets for a backend, and those that tests of this package set for programs. */
const SET_FOR_CHILDREN = /^(?:RUNNING_PROCESS_BROKER_V1|BROKER_POOL_TEST)_/;

/** Checks the variables that decide where and how this user's clients connect. */
export function checkEnvironment(examination: Examination): Finding[] {
  const findings = [
    ...checkDisable(examination),
    ...checkFakeBackend(examination),
    ...checkTimeout(examination),
    ...checkDirectories(examination),
    ...checkSwitches(examination),
    ...checkBrokerSocket(examination),
    ...checkUnknown(examination),
  ];
  return findings.length > 0 ? findings : [ok('variables', 'none that changes how clients connect')];
}

/** Whether the user has switched the broker off. An invalid value does not. */
export function isBrokerDisabled({ env }: Pick<Examination, 'env'>): boolean {
  return env[DISABLE] === '1';
}

function checkDisable({ env }: Examination): Finding[] {
  try {
    if (!brokerDisabledByEnv(env)) return [];
    return [
      warning(
        DISABLE,
        'is 1: programs that ask do without the broker',
        `unset ${DISABLE} to use the broker again`,
      ),
    ];
  } catch (error) {
    return [failure(DISABLE, textOf(error), `unset ${DISABLE}, or set it to 1`)];
  }
}

function checkFakeBackend({ env, platform }: Examination): Finding[] {
  const endpoint = env[FAKE_BACKEND];
  if (endpoint === undefined || endpoint === '') return [];
  const parsed = parseEndpoint(endpoint, platform);
  if ('problem' in parsed) return [failure(FAKE_BACKEND, parsed.problem, `unset ${FAKE_BACKEND}`)];
  return [
    warning(
      FAKE_BACKEND,
      `${printable(endpoint)} takes the place of broker and backend in programs with testSeams`,
      `unset ${FAKE_BACKEND} outside tests`,
    ),
  ];
}

function checkTimeout({ env }: Examination): Finding[] {
  const text = env[CLIENT_TIMEOUT]?.trim() ?? '';
  if (text === '') return [];
  const limitMs = clientTimeoutFromEnv(env);
  // `clientTimeoutFromEnv` takes other texts than a whole number above 0 for unset.
  if (/^\+?0*[1-9]\d*$/.test(text)) return [ok(CLIENT_TIMEOUT, `requests may take ${limitMs} ms`)];
  return [
    warning(
      CLIENT_TIMEOUT,
      `${printable(text)} has no effect, and the limit is ${limitMs} ms`,
      'set it to a whole number of milliseconds above 0',
    ),
  ];
}

function checkDirectories({ env, platform, definitionDirectory: given }: Examination): Finding[] {
  const findings: Finding[] = [];
  if (platform === 'linux' && env[RUNTIME_DIRECTORY] === undefined)
    findings.push(
      warning(
        RUNTIME_DIRECTORY,
        'is not set, so that brokers and clients meet below /tmp',
        `set ${RUNTIME_DIRECTORY} to a directory of yours, for the broker and for all clients alike`,
      ),
    );
  const variable = platform === 'darwin' ? TEMPORARY_DIRECTORY : RUNTIME_DIRECTORY;
  const directory = platform === 'win32' ? undefined : env[variable];
  // One that is no absolute path is a finding about the endpoint.
  if (directory?.startsWith('/') === true) findings.push(ok(variable, printable(directory)));
  if (given === undefined && platform !== 'win32')
    try {
      definitionDirectory(env);
    } catch (error) {
      findings.push(failure('definitions', textOf(error), 'set the variable to an absolute path'));
    }
  return findings;
}

function checkSwitches({ env }: Examination): Finding[] {
  return [FFI, IO_URING].flatMap((name) => {
    const value = env[name];
    if (value === undefined || ['', '0', '1'].includes(value)) return [];
    return [warning(name, `${printable(value)} has no effect: only 0 switches it off`, `set it to 0 or 1`)];
  });
}

/** Upstream's command line reads it; clients do not, and may talk to another broker than the user thinks. */
function checkBrokerSocket({ env, brokerEndpoint }: Examination): Finding[] {
  const socket = env[BROKER_SOCKET];
  if (socket === undefined || socket === '' || socket === brokerEndpoint) return [];
  return [
    warning(
      BROKER_SOCKET,
      `${printable(socket)} is read by upstream's command line alone, not by clients`,
      `look at that broker with --broker ${printable(socket)}, and pass brokerEndpoint to clients`,
    ),
  ];
}

/** A misspelt variable is as good as unset, in silence. */
function checkUnknown({ env }: Examination): Finding[] {
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && RESERVED_PREFIX.test(name) && !SET_FOR_CHILDREN.test(name))
    .filter((name) => !KNOWN.includes(name))
    .map((name) => {
      const meant = meantBy(name);
      return warning(
        printable(name),
        `has no effect: no program reads it${meant}`,
        'correct it, or unset it',
      );
    });
}

/** The rest of a name that was cut short is more than {@link didYouMean} takes for a misspelling. */
function meantBy(name: string): string {
  const longer = KNOWN.filter((known) => known.startsWith(name));
  return longer.length === 1 ? `; did you mean ${longer[0]}?` : didYouMean(name, KNOWN);
}
