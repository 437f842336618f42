import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

const SCRIPT = fileURLToPath(new URL('leave-open.js', import.meta.url));
const LIMIT_MS = 20_000;

async function runToItsEnd(
  { endpoints }: RealBroker,
  ending = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(
    process.execPath,
    [SCRIPT, endpoints.broker, endpoints.service, endpoints.version, ending],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
    },
  );
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

interopTest('a program that leaves its pool open ends by itself, without a warning', async (t) => {
  const real = await RealBroker.start(program);
  t.deepEqual(await runToItsEnd(real), { code: 0, stdout: 'true\n', stderr: '' });
  t.is((await real.stats()).restarts, 0);
  await real.stop();
});

interopTest('process.exit() in the middle of a negotiation does not hang', async (t) => {
  const real = await RealBroker.start(program);
  t.like(await runToItsEnd(real, 'exit-in-mid-wait'), { code: 0, stderr: '' });
  await real.stop();
});

interopTest('an uncaught error ends the program as ever', async (t) => {
  const real = await RealBroker.start(program);
  const { code, stderr } = await runToItsEnd(real, 'throw');
  t.is(code, 1);
  t.regex(stderr, /uncaught on purpose/);
  await real.stop();
});
