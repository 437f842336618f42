/**
 * Runs the suite several times beside busy loops, to find tests that depend on time:
 * `npm run test:loaded -- [--runs N] [--loops N] [test files or folders]`. Prints the failures of each run, and ends with
 * 1 if there were any.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { compiled } from './compiled.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '10' }, loops: { type: 'string', default: '8' } },
});
const loops = Array.from({ length: Number(values.loops) }, () =>
  spawn(process.execPath, ['--eval', 'for (;;);'], { stdio: 'ignore' }),
);
process.once('exit', () => loops.forEach((loop) => loop.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** The load average needs a minute to show the loops; a few processes run tests beside them. */
const PATIENCE = Math.min(6, 1 + (loops.length + 2) / availableParallelism());

/** AVA's output of one run, and whether all tests passed. */
async function run(): Promise<{ readonly passed: boolean; readonly output: string }> {
  const args = ['--config', positionals.length === 0 ? 'ava.suite.config.js' : 'ava.config.js'];
  const ava = spawn('ava', [...args, ...positionals.map(compiled)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { BROKER_POOL_TEST_PATIENCE: String(PATIENCE), ...process.env },
    shell: process.platform === 'win32',
  });
  const [output, code] = await Promise.all([text(ava.stdout), exitCode(ava)]);
  return { passed: code === 0, output };
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
}

let failed = 0;
for (let count = 1; count <= Number(values.runs); count++) {
  const startedMs = performance.now();
  const { passed, output } = await run();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.log(
    `run ${count}: ${passed ? 'passed' : 'failed'} after ${seconds} s beside ${loops.length} busy loops`,
  );
  if (passed) continue;
  failed += 1;
  // The titles of what passed say nothing here.
  console.log(output.replaceAll(/^ +✔ .*\n/gm, ''));
}
console.log(`${failed} of ${values.runs} runs failed`);
process.exit(failed === 0 ? 0 : 1);
