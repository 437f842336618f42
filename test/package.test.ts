import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RefusalCode, type EndpointCacheOptions } from 'broker-pool';
import { EmbeddedBroker, RefusalCode as RefusalCodeForTests, type Hello } from 'broker-pool/testing';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../src/version.js';
import { scaled } from './helpers/patience.js';
import test, { temporaryDirectory } from './helpers/sanitary.js';
import { startSystem } from './helpers/system.js';
import { SHARING, testWhere } from './helpers/test-where.js';
import { canShare } from './sharing/kit.js';

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIMIT_MS = scaled(40_000);

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const packageFile: PackageFile = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

test('brokers are told the name and version of this package', (t) => {
  t.is(LIBRARY_NAME, packageFile.name);
  t.is(LIBRARY_VERSION, packageFile.version);
});

test('types that options mention can be imported from the entry of the options', (t) => {
  const behaviour: EmbeddedBroker['behaviour'] = { kind: 'refuse', code: RefusalCode.SHUTTING_DOWN };
  const decide = ({ serviceName }: Hello): EmbeddedBroker['behaviour'] | undefined =>
    serviceName === 'ours' ? behaviour : undefined;
  const cache: Partial<EndpointCacheOptions> = { max: 1 };
  t.is(RefusalCodeForTests, RefusalCode);
  t.truthy([decide, cache]);
});

test('the declaration of BrokerPool shows its options alone, and no parts of tests', (t) => {
  const declared = readFileSync(`${ROOT}dist/src/broker-pool.d.ts`, 'utf8');
  t.regex(declared, /^ +constructor\(options\?: BrokerPoolOptions\);$/m);
  t.is(declared.match(/constructor/g)?.length, 1);
  t.notRegex(declared, /PoolParts|Driver|Clock/);
});

test('every runtime dependency has its reason in the documents', (t) => {
  const reasons = readFileSync(`${ROOT}docs/dependencies.md`, 'utf8');
  for (const name of Object.keys(packageFile.dependencies)) t.true(reasons.includes(`| ${name} |`), name);
});

test('the example of the README runs as it stands', async (t) => {
  const [, code = ''] = /^```js\n(import .*?)^```$/ms.exec(readFileSync(`${ROOT}README.md`, 'utf8')) ?? [];
  const { stdout, stderr } = await execute(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: ROOT,
    timeout: LIMIT_MS,
  });
  t.is(stdout, 'hello\n');
  t.is(stderr, '');
});

test('the example runs as it stands, through the package exports', async (t) => {
  const { stdout, stderr } = await execute(process.execPath, [`${ROOT}dist/examples/echo.js`], {
    timeout: LIMIT_MS,
  });
  t.is(stdout, 'hello over broker-negotiated\n');
  t.is(stderr, '');
});

test('the example of a session runs as it stands', async (t) => {
  const { stdout, stderr } = await execute(process.execPath, [`${ROOT}dist/examples/session.js`], {
    timeout: LIMIT_MS,
  });
  t.is(stdout, 'ONE and TWO\nWITHOUT A BROKER\n');
  t.is(stderr, '');
});

test('the example of a tool that connects once asks the broker the first time only', async (t) => {
  const { target } = await startSystem(t);
  const file = join(temporaryDirectory(t), 'endpoints.json');
  const { brokerEndpoint, serviceName, wantedVersion } = target;
  const named = ['--broker', brokerEndpoint, '--service', serviceName, '--version', wantedVersion];
  const parameters = [`${ROOT}dist/examples/ask-once.js`, ...named, '--cache', file, 'hello'];
  for (const route of ['broker-negotiated', 'hello-skip'])
    t.deepEqual(await execute(process.execPath, parameters, { timeout: LIMIT_MS }), {
      stdout: `hello by ${route}\n`,
      stderr: '',
    });
});

testWhere(canShare, SHARING)('the example of a shared pool runs as it stands', async (t) => {
  const { stdout, stderr } = await execute(process.execPath, [`${ROOT}dist/examples/shared-pool.js`], {
    timeout: LIMIT_MS,
  });
  t.is(stdout, 'hello from the first thread\nhello from the second thread\nconnections made: 1\n');
  t.is(stderr, '');
});

test('the demo shows every route that this platform has', async (t) => {
  const { stdout } = await execute(
    process.execPath,
    [`${ROOT}dist/src/cli/main.js`, 'demo', '--connects', '5'],
    { timeout: LIMIT_MS },
  );
  for (const lane of ['net.connect, bare', 'pooled, idle reused', 'hello-skip', 'broker-negotiated'])
    t.regex(stdout, new RegExp(`${lane} +5 `));
});
