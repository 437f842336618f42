/** Broken set-ups, each with the findings that it has and no others. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { formatIdentityFile } from '../../../src/wire/identity-file.js';
import { currentBootId, executablePath } from '../../../src/identity/host-identity.js';
import { EmbeddedBackend, RefusalCode } from '../../../src/testing/index.js';
import {
  BrokerIsolation,
  encodeServiceDefinition,
  type ServiceDefinition,
} from '../../../src/wire/messages.js';
import type { Verdict } from '../../../src/cli/doctor/finding.js';
import { hashFile } from '../../../src/identity/file-hash.js';
import { ownIdentity } from '../../../src/testing/identity-probe.js';
import { IDENTITY } from '../../identity/kit.js';
import { onWindows, POSIX, testWhere } from '../../helpers/test-where.js';
import { examine, machine, problemsOf, SOUND_HOST, startBroker, type Machine } from './kit.js';
import { scaled } from '../../helpers/patience.js';

const onPosix = testWhere(!onWindows, POSIX);
const onLinux = testWhere(process.platform === 'linux', 'Linux');

type Expected = readonly [check: string, verdict: Verdict, found: RegExp];

/** Compares all problems, in their order. */
async function hasProblems(t: ExecutionContext, { examination }: Machine, expected: Expected[]) {
  const problems = await problemsOf(examination);
  t.deepEqual(
    problems.map(({ check, verdict }) => [check, verdict]),
    expected.map(([check, verdict]) => [check, verdict]),
    JSON.stringify(problems, undefined, 2),
  );
  for (const [index, [, , found]] of expected.entries()) t.regex(problems[index]?.found ?? '', found);
  for (const { advice } of problems) t.truthy(advice);
}

/** Another definition than the right one, which names this process's executable. */
function define(folder: string, name: string, changes: Partial<ServiceDefinition> = {}): void {
  const binaryPath = executablePath();
  const definition = {
    serviceName: name,
    binaryPath,
    perVersionBinaryDir: dirname(binaryPath),
    isolation: 1,
  };
  writeFileSync(
    join(folder, 'definitions', `${name}.servicedef`),
    encodeServiceDefinition({ ...definition, ...changes }),
  );
}

onPosix('a sound set-up has no problem, and a finding of each check', async (t) => {
  const backend = await EmbeddedBackend.start({ handoff: 'none' });
  t.teardown(() => backend.stop());
  const whole = machine(t, { serviceName: 'echo', wantedVersion: '1.2.3' });
  define(whole.folder, 'echo', { minVersion: '1.0.0', versionAllowList: ['1.2.3'] });
  const broker = await startBroker(t, whole.endpoint, { services: { echo: { endpoint: backend.endpoint } } });
  await hasProblems(t, whole, []);
  const checks = new Set((await examine(whole.examination)).map(({ check }) => check));
  for (const check of ['node', 'endpoint', 'directories', 'broker', 'negotiation', 'definitions', 'limits'])
    t.true(checks.has(check), check);
  t.is(broker.adminCount, 2);
});

onLinux('without a runtime directory no broker can listen', async (t) => {
  const without = machine(t);
  rmSync(without.folder + '/running-process', { recursive: true });
  renameSync(without.folder, `${without.folder}x`);
  t.teardown(() => renameSync(`${without.folder}x`, without.folder));
  await hasProblems(t, without, [
    ['directories', 'failure', /cannot be made by the broker: .* is no directory/],
    ['broker', 'failure', /does not run: there is no /],
    ['definitions', 'warning', /is not there/],
  ]);
});

onPosix('a directory in which others may write is not trusted', async (t) => {
  const open = machine(t);
  await startBroker(t, open.endpoint);
  chmodSync(dirname(open.endpoint), 0o777);
  await hasProblems(t, open, [
    [
      'directories',
      'failure',
      /is not trusted: others may write to its directory .*chmod go-w .*--trust-shared-directories$/,
    ],
    ['broker', 'failure', /is not trusted/],
  ]);
});

onPosix('a directory that others may read is one in which no broker listens (N-10)', async (t) => {
  const readable = machine(t);
  await startBroker(t, readable.endpoint);
  chmodSync(dirname(readable.endpoint), 0o755);
  await hasProblems(t, readable, [['directories', 'warning', /has mode 755, and brokers listen only where/]]);
});

onLinux(
  'a runtime directory of more than 19 bytes leaves no room for launched backends (L-25)',
  async (t) => {
    const long = machine(t);
    const runtime = (bytes: number): string => `${long.folder}/${'d'.repeat(bytes - long.folder.length - 1)}`;
    for (const [bytes, verdict] of [
      [19, 'ok'],
      [20, 'failure'],
    ] as const) {
      mkdirSync(runtime(bytes));
      const env = { XDG_RUNTIME_DIR: runtime(bytes) };
      const findings = await examine({ ...long.examination, env }, 'endpoint');
      t.deepEqual(
        findings.map((finding) => [finding.subject, finding.verdict]),
        [
          ['broker endpoint', 'ok'],
          ['path budget', verdict],
        ],
      );
    }
  },
);

onLinux('a runtime directory that is no absolute path, or too long, gives no endpoint', async (t) => {
  for (const directory of ['relative', '', `/${'d'.repeat(100)}`]) {
    const { examination } = machine(t, { env: { XDG_RUNTIME_DIR: directory, HOME: '/nonexistent' } });
    const [finding, ...others] = await examine(examination, 'endpoint');
    t.is(finding?.verdict, 'failure');
    t.regex(finding?.found ?? '', /XDG_RUNTIME_DIR|107/);
    t.deepEqual(others, []);
    t.deepEqual(await examine(examination, 'broker'), []);
  }
});

onPosix('without a broker there is no socket', async (t) => {
  await hasProblems(t, machine(t), [['broker', 'failure', /does not run: there is no .*shared/]]);
});

onPosix('a socket at which no process listens is stale, and keeps a broker from starting', async (t) => {
  const stale = machine(t);
  await leaveSocket(stale.endpoint);
  await hasProblems(t, stale, [['broker', 'failure', /no process listens at .*a file that an ended broker/]]);
  const [finding] = await examine(stale.examination, 'broker');
  t.true(finding?.advice?.startsWith(`rm ${stale.endpoint}`));
  rmSync(stale.endpoint);
});

onLinux('a stale socket beside the broker is found without a connect', async (t) => {
  const beside = machine(t);
  await startBroker(t, beside.endpoint);
  const left = join(dirname(beside.endpoint), 'rpb-v1-0-be-1.sock');
  await leaveSocket(left);
  await hasProblems(t, beside, [['sockets', 'warning', /no process .* listens at rpb-v1-0-be-1\.sock$/]]);
  rmSync(left);
});

/** The socket file of a server that is killed. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.new`);
  await once(server, 'listening');
  // Node removes the name that it has bound.
  renameSync(`${path}.new`, path);
  await new Promise((resolve) => server.close(resolve));
}

onPosix('a silent broker is a failure, and its reply is awaited (V-31)', async (t) => {
  const limitMs = scaled(100);
  const quiet = machine(t, { limitMs });
  const broker = await startBroker(t, quiet.endpoint);
  broker.adminBehaviour = { kind: 'silent' };
  await hasProblems(t, quiet, [['broker', 'failure', new RegExp(`does not answer within ${limitMs} ms`)]]);
  const { requests } = quiet.examination;
  t.is(requests.count, 1);
  await broker.until(() => broker.adminCount === 1);
  broker.releaseSilent();
  await requests.ended();
  t.is(requests.count, 0);
});

for (const behaviour of [{ kind: 'close' }, { kind: 'garbage' }, { kind: 'wrongVersionByte' }] as const)
  onPosix(`a broker that answers with ${behaviour.kind} is a failure`, async (t) => {
    const strange = machine(t);
    const broker = await startBroker(t, strange.endpoint);
    broker.adminBehaviour = behaviour;
    await hasProblems(t, strange, [['broker', 'failure', /STATUS/]]);
    const [finding] = await examine(strange.examination, 'broker');
    t.regex(finding?.advice ?? '', /^(?:see the broker's log: it crashed|check --broker: ).*[^.]$/);
  });

onPosix('a broker that refuses is a failure with its reason', async (t) => {
  const refusing = machine(t, { serviceName: 'echo', wantedVersion: '1.2.3' });
  define(refusing.folder, 'echo');
  const broker = await startBroker(t, refusing.endpoint);
  broker.behaviour = { kind: 'refuse', code: RefusalCode.RATE_LIMITED, reason: 'too many of you' };
  await hasProblems(t, refusing, [['negotiation', 'failure', /^is refused: too many of you$/]]);
});

onPosix('a broker that is switched off is not asked', async (t) => {
  const off = machine(t);
  const broker = await startBroker(t, off.endpoint);
  const env = { ...off.examination.env, RUNNING_PROCESS_DISABLE: '1' };
  await hasProblems(t, { ...off, examination: { ...off.examination, env } }, [
    ['environment', 'warning', /is 1: programs that ask do without the broker/],
  ]);
  t.is(broker.adminCount, 0);
});

onPosix('a service that a definition does not allow in this version is a failure (V-55)', async (t) => {
  for (const [changes, found] of [
    [{ minVersion: '1.10.0' }, /1\.9\.0 is below min_version 1\.10\.0/],
    [{ versionAllowList: ['1.8.0', '2.0.0'] }, /1\.9\.0 is not in version_allow_list: 1\.8\.0, 2\.0\.0/],
  ] as const) {
    const old = machine(t, { serviceName: 'echo', wantedVersion: '1.9.0' });
    define(old.folder, 'echo', { ...changes, versionAllowList: [...(changes.versionAllowList ?? [])] });
    const findings = await examine(old.examination, 'definitions');
    t.deepEqual(
      findings.map(({ verdict }) => verdict),
      ['failure'],
    );
    t.regex(findings[0]?.found ?? '', found);
  }
});

onPosix('definitions that no broker can launch are failures', async (t) => {
  const { folder, examination } = machine(t);
  const path = (name: string): string => join(folder, 'definitions', `${name}.servicedef`);
  define(folder, 'missing', { binaryPath: join(folder, 'missing') });
  define(folder, 'other', { serviceName: 'another' });
  define(folder, 'relative', { binaryPath: 'bin/service' });
  define(folder, 'version', { minVersion: '1.2' });
  define(folder, 'outside', { perVersionBinaryDir: folder });
  define(folder, 'nowhere', { perVersionBinaryDir: '' });
  define(folder, 'instance', { isolation: BrokerIsolation.EXPLICIT_INSTANCE });
  writeFileSync(join(folder, 'script'), '#!/bin/sh\n', { mode: 0o755 });
  define(folder, 'script', { binaryPath: join(folder, 'script'), perVersionBinaryDir: folder });
  writeFileSync(path('json'), '{"service_name":"json"}');
  const findings = await examine(examination, 'definitions');
  t.deepEqual(
    new Map(findings.map(({ subject, found }) => [subject, found.replace(`${path(subject)}: `, '')])),
    new Map([
      ['instance', 'explicit_instance must be 1 to 64 characters of a-z, 0-9 and "-", got ""'],
      ['json', 'it is no ServiceDefinition: it is text; brokers read protobuf'],
      ['missing', `binary_path leads nowhere: ${join(folder, 'missing')}`],
      ['nowhere', 'per_version_binary_dir is empty: it loads, but cannot be launched'],
      ['other', 'service_name is another, not the name of the file'],
      ['outside', `per_version_binary_dir does not contain ${executablePath()}: ${folder}`],
      ['relative', 'binary_path must be an absolute path, got "bin/service"'],
      [
        'script',
        `binary_path is a script, which no broker can launch: make a single executable of it: ${folder}/script`,
      ],
      ['version', 'min_version must be a version such as 1.2.3 or 1.2.3-rc.1, at most 64 bytes, got "1.2"'],
    ]),
  );
  t.true(findings.every(({ verdict, advice }) => verdict === 'failure' && advice !== undefined));
});

onPosix('a directory of definitions that others may enter is one that brokers refuse (D-03)', async (t) => {
  const { folder, examination } = machine(t);
  define(folder, 'echo');
  writeFileSync(join(folder, 'definitions/echo.servicedef.v2'), '');
  chmodSync(join(folder, 'definitions'), 0o750);
  const findings = await examine(examination, 'definitions');
  t.deepEqual(
    findings.map(({ verdict, found }) => [verdict, found.split(' ').slice(0, 3).join(' ')]),
    [
      ['failure', 'has mode 750,'],
      ['warning', 'is overridden: brokers'],
      ['ok', `launches ${executablePath()}`],
    ],
  );
});

/** Writes the identity of a process of this user; returns the path of its file. */
async function writeIdentity(folder: string, changes: Partial<typeof IDENTITY>): Promise<string> {
  const directory = join(folder, 'running-process/services');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'echo.identity.json');
  const bootId = await currentBootId();
  writeFileSync(path, formatIdentityFile({ ...IDENTITY, bootId, ...changes }));
  return path;
}

onLinux('an identity file of an ended process is a warning, and a failure where it is named', async (t) => {
  const { folder, examination } = machine(t);
  const child = spawn('true');
  await once(child, 'exit');
  const path = await writeIdentity(folder, { pid: child.pid ?? 0 });
  for (const [identityFiles, verdict] of [
    [[], 'warning'],
    [[path], 'failure'],
  ] as const) {
    const findings = await examine({ ...examination, identityFiles }, 'identities');
    t.deepEqual(
      findings.map((finding) => finding.verdict),
      [verdict],
    );
    t.regex(findings[0]?.found ?? '', /no process has the id/);
  }
});

/** A process of a small executable, since Node's takes seconds to hash. */
async function startProcess(t: ExecutionContext, folder: string) {
  const exePath = join(folder, 'service');
  copyFileSync('/bin/sleep', exePath);
  const child = spawn(exePath, ['100'], { stdio: 'ignore' });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await once(child, 'spawn');
  return { pid: child.pid ?? 0, exePath, bootId: await currentBootId(), exeHash: await hashFile(exePath) };
}

onLinux(
  'a process that does not listen where its identity says, and a file that is missing, are failures',
  async (t) => {
    process.env['XDG_CACHE_HOME'] = '/nonexistent';
    const { folder, examination } = machine(t);
    const identity = await startProcess(t, folder);
    const path = await writeIdentity(folder, {
      ...identity,
      ipcEndpoint: { namespaceId: '', path: join(folder, 'none.sock') },
    });
    const missing = join(folder, 'missing.json');
    const findings = await examine({ ...examination, identityFiles: [path, missing] }, 'identities');
    t.deepEqual(
      findings.map(({ verdict, advice }) => [verdict, advice]),
      [
        ['failure', 'restart the service: its process lives, and does not listen there'],
        ['failure', 'start the service, or correct the path'],
      ],
    );
  },
);

onLinux('an identity is compared with the answer to a probe', async (t) => {
  process.env['XDG_CACHE_HOME'] = '/nonexistent';
  const { folder, examination } = machine(t);
  const identity = await startProcess(t, folder);
  for (const [told, verdict, found] of [
    [identity, 'ok', /^process \d+ answers at /],
    [{ ...identity, pid: process.pid }, 'failure', /it has process id \d+, not \d+$/],
  ] as const) {
    await using backend = await EmbeddedBackend.start({ handoff: 'none', identity: told });
    await writeIdentity(folder, { ...identity, ipcEndpoint: ownIdentity(backend.endpoint).ipcEndpoint });
    const findings = await examine(examination, 'identities');
    t.deepEqual(
      findings.map((finding) => finding.verdict),
      [verdict],
      JSON.stringify(findings),
    );
    t.regex(findings[0]?.found ?? '', found);
  }
});

onLinux('an identity file that others may replace is a warning', async (t) => {
  const { folder, examination } = machine(t);
  const identity = await startProcess(t, folder);
  await using backend = await EmbeddedBackend.start({ handoff: 'none', identity });
  const { ipcEndpoint } = ownIdentity(backend.endpoint);
  chmodSync(await writeIdentity(folder, { ...identity, ipcEndpoint }), 0o666);
  const [finding] = await examine(examination, 'identities');
  t.like(finding, { verdict: 'warning' });
  t.regex(finding?.found ?? '', /others may write to .*echo\.identity\.json/);
});

onPosix('an identity file that is none is a failure', async (t) => {
  const { folder, examination } = machine(t);
  const path = join(folder, 'broken.json');
  writeFileSync(path, '{');
  const findings = await examine({ ...examination, identityFiles: [path] }, 'identities');
  t.deepEqual(
    findings.map(({ verdict }) => verdict),
    ['failure'],
  );
  t.regex(findings[0]?.found ?? '', /is of no use/);
});

onPosix('a file of endpoints that cannot be used is a warning', async (t) => {
  const { folder, examination } = machine(t);
  const path = join(folder, 'endpoints.json');
  const found = async (content: string, mode = 0o600): Promise<string | undefined> => {
    writeFileSync(path, content);
    chmodSync(path, mode);
    const [finding] = await examine({ ...examination, endpointFile: path }, 'endpoint-file');
    return `${finding?.verdict} ${finding?.found}`;
  };
  t.is(await found('{"version":1,"answers":[]}'), 'ok remembers 0 endpoints');
  t.is(await found('{"version":1,"answers":[1]}'), 'warning is damaged; 0 endpoints can be read');
  t.is(await found('not JSON'), 'warning is damaged; 0 endpoints can be read');
  t.is(await found('{"version":2}'), 'warning is of a newer release, and not used');
  t.is(
    await found('', 0o644),
    'warning is not used, because it can be opened by other users (chmod 600 would do)',
  );
});

onPosix('a machine without FFI has one warning, and no other problem', async (t) => {
  const poor = machine(t, { host: { ...SOUND_HOST, ffiProblem: () => 'no prebuilt library' } });
  await startBroker(t, poor.endpoint);
  await hasProblems(t, poor, [['ffi', 'warning', /cannot be reached: no prebuilt library/]]);
});

onPosix('a machine without a ring, threads and descriptors has a warning for each', async (t) => {
  const host = {
    ...SOUND_HOST,
    ringProblem: () => 'forbidden',
    threadProblem: () => Promise.resolve('no more threads'),
    descriptors: () => ({ limit: 256, open: 20 }),
  };
  const poor = machine(t, { host });
  await startBroker(t, poor.endpoint);
  await hasProblems(t, poor, [
    ...(process.platform === 'linux' ? [['io-uring', 'warning', /forbidden/] as const] : []),
    ['thread', 'warning', /does not start: no more threads/],
    ['limits', 'warning', /20 of 256 are open/],
  ]);
});

onPosix('a Node that is too old is a failure', async (t) => {
  for (const [nodeVersion, verdict] of [
    ['v20.18.3', 'failure'],
    ['v20.19.0', 'ok'],
    ['v26.1.0', 'ok'],
  ] as const) {
    const { examination } = machine(t, { host: { ...SOUND_HOST, nodeVersion } });
    t.like((await examine(examination, 'node'))[0], { verdict });
  }
});
