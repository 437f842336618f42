/** The service of the guide keeps its word where the backend ends, stays silent, or is stopped in mid-request. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ExecutionContext } from 'ava';
import { startTestSystem } from '../../src/testing/index.js';
import { scaled } from '../helpers/patience.js';
import { onWine, testWhere } from '../helpers/test-where.js';
import { blocksIn } from './blocks.js';
import { ROOT } from './texts.js';

const LIMIT_MS = scaled(30_000);
const GUIDE = 'docs/guides/first-service.md';
/** The program's own system and times, in whose place the test puts others. */
const SYSTEM = /^const system = await startTestSystem\(.*$/m;

interface Service {
  readonly get: (path: string) => Promise<{ status: number; text: string }>;
  /** Sends SIGTERM, and resolves with the exit code. */
  readonly end: () => Promise<unknown>;
  readonly errors: () => string;
}

/** The program of the guide, with a broker of the test and a request timeout of `timeoutMs`. */
async function startService(t: ExecutionContext, target: object, timeoutMs: number): Promise<Service> {
  const program = blocksIn(GUIDE).find(({ code }) => code.includes('createServer'))?.code ?? '';
  t.regex(program, SYSTEM);
  const own = `const system = { target: ${JSON.stringify(target)}, async stop() {} };`;
  const file = join(ROOT, `dist/first-service-${process.pid}-${timeoutMs}.mjs`);
  writeFileSync(
    file,
    `${program.replace(SYSTEM, own).replace('timeoutMs: 5_000', `timeoutMs: ${timeoutMs}`)}
await (await import('node:events')).once(server, 'listening');
console.log(server.address().port);
`,
  );
  const service = spawn(process.execPath, [file], { env: { ...process.env, PORT: '0' }, timeout: LIMIT_MS });
  t.teardown(() => {
    service.kill('SIGKILL');
    rmSync(file);
  });
  let errors = '';
  service.stderr.on('data', (chunk) => (errors += String(chunk)));
  const exit = once(service, 'exit');
  const [port]: string[] = await once(createInterface(service.stdout), 'line');
  return {
    async get(path) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        signal: AbortSignal.timeout(LIMIT_MS),
      });
      return { status: response.status, text: await response.text() };
    },
    async end() {
      service.kill('SIGTERM');
      const [code]: unknown[] = await exit;
      return code;
    },
    errors: () => errors,
  };
}

const here = testWhere(!onWine, 'signals, which Wine does not deliver');

here('the service of the guide answers 502 where the backend ends or drops the connection', async (t) => {
  t.timeout(LIMIT_MS);
  let fault: ((socket: Socket) => void) | undefined;
  const system = await startTestSystem({
    backend: { onConnection: (socket) => socket.once('data', () => fault?.(socket)) },
  });
  t.teardown(() => system.stop());
  const { get, end, errors } = await startService(t, system.target, 20_000);
  for (fault of [(socket: Socket) => socket.end(), (socket: Socket) => socket.destroy()])
    t.is((await get('/hello')).status, 502);
  t.is(await end(), 0);
  t.regex(errors(), /^(?:(?:UNEXPECTED_EOF|FRAME_IO): .*\n){2}$/);
});

here('the service of the guide answers 504 where the backend is silent, and SIGTERM ends it', async (t) => {
  t.timeout(LIMIT_MS);
  let onRequest = (): void => {};
  const received = new Promise<void>((resolve) => (onRequest = resolve));
  const system = await startTestSystem({
    backend: { onConnection: (socket) => void socket.once('data', onRequest) },
  });
  t.teardown(() => system.stop());
  const { get, end } = await startService(t, system.target, 500);
  const answer = get('/hello');
  await received;
  const ended = end();
  t.is((await answer).status, 504);
  t.is(await ended, 0);
});

here('the service of the guide answers with what the backend says', async (t) => {
  t.timeout(LIMIT_MS);
  const system = await startTestSystem({ backend: { payloadProtocols: [0xf001] } });
  t.teardown(() => system.stop());
  const { get, end } = await startService(t, system.target, 20_001);
  t.deepEqual(await get('/hello'), { status: 200, text: '/hello' });
  t.is(await end(), 0);
});
