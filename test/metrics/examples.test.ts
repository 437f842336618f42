import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { scaled } from '../helpers/patience.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { onWine, testWhere } from '../helpers/test-where.js';

const execute = promisify(execFile);
const LIMIT_MS = scaled(40_000);
const programAt = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));

test('the example of tracing runs as it stands', async (t) => {
  const { stdout, stderr } = await execute(process.execPath, [programAt('tracing')], { timeout: LIMIT_MS });
  t.is(
    stdout,
    [
      'handle one',
      '  broker_pool.acquire (broker-negotiated)',
      '    broker_pool.connect (broker-negotiated)',
      'handle two',
      '  broker_pool.acquire (broker-negotiated)',
      'metrics: 18, of these by the conventions for databases: 9',
      '',
    ].join('\n'),
  );
  t.is(stderr, '');
});

interface Service {
  readonly get: (path: string) => Promise<{ status: number; text: string }>;
  /** Sends SIGTERM, and resolves with the exit code and all that the service has printed. */
  readonly end: () => Promise<{ code: unknown; output: string }>;
}

/** The example of a service, as a process. */
async function startService(t: ExecutionContext, parameters: string[] = [], env = {}): Promise<Service> {
  const service = spawn(process.execPath, [programAt('http-service'), ...parameters], {
    env: { ...process.env, ...env },
    timeout: LIMIT_MS,
  });
  t.teardown(() => service.kill('SIGKILL'));
  let output = '';
  for (const stream of [service.stdout, service.stderr])
    stream.on('data', (chunk) => (output += String(chunk)));
  const exit = once(service, 'exit');
  const [line]: string[] = await once(createInterface(service.stdout), 'line');
  const [url = ''] = line?.split(' ') ?? [];
  return {
    async get(path) {
      const response = await fetch(new URL(path, url), { signal: AbortSignal.timeout(LIMIT_MS) });
      return { status: response.status, text: await response.text() };
    },
    async end() {
      service.kill('SIGTERM');
      const [code]: unknown[] = await exit;
      return { code, output };
    },
  };
}

const here = testWhere(!onWine, 'signals, which Wine does not deliver');

here('the example of a service answers, is healthy, has metrics, and ends well by SIGTERM', async (t) => {
  const { get, end } = await startService(t);
  t.deepEqual(await get('/healthz'), { status: 200, text: 'ok\n' });
  t.deepEqual(await get('/builds?of=1'), { status: 200, text: 'the backend got /builds?of=1\n' });
  const { status, text } = await get('/metrics');
  t.is(status, 200);
  const pool = 'db_client_connection_pool_name="http-service"';
  t.regex(
    text,
    new RegExp(`^db_client_connection_count\\{${pool},db_client_connection_state="idle"\\} 1$`, 'm'),
  );
  t.regex(text, new RegExp(`^db_client_connection_use_time_seconds_count\\{${pool}\\} 2$`, 'm'));
  const { code, output } = await end();
  t.is(code, 0);
  t.regex(output, /^http:\/\/127\.0\.0\.1:\d+\/ \/metrics \/healthz\nended\n$/);
});

here(
  'the example of a service says what is wrong where its broker is not there, and is not healthy',
  async (t) => {
    const { get, end } = await startService(t, ['--service', 'demo'], {
      XDG_RUNTIME_DIR: temporaryDirectory(t),
    });
    t.deepEqual(await get('/healthz'), { status: 503, text: 'unavailable\n' });
    const { status, text } = await get('/builds');
    t.is(status, 502);
    t.regex(text, /^BROKER_CONNECT: /);
    t.regex((await get('/metrics')).text, /^broker_pool_connect_failures_total\{[^}]*\} [1-9]/m);
    t.is((await end()).code, 0);
  },
);
