import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../../src/os/native.js';
import { patience } from '../helpers/patience.js';
import { startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import type { ProcessExit } from './process-exit.js';

const PROGRAM = fileURLToPath(new URL('process-exit.js', import.meta.url));
/**
 * A thread that is not woken leaves its wait after half a second; the rest is for a loaded machine. The
 * deadline of the wait is 60 s.
 */
const LIMIT_MS = 10_000 * Math.min(5, patience());

const ENDS: readonly ProcessExit[] = [
  'plain',
  'a listener throws',
  'a later listener throws',
  'a listener exits',
  'reallyExit',
  'a report first',
];

const threadsTest = testWhere(loadNative() !== undefined, 'the C library');

for (const how of ENDS) {
  threadsTest(`process.exit() does not wait for the deadline of the wait thread: ${how}`, async (t) => {
    const { broker, target } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(target), how], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    // A program that ends with input unread resets its pipe.
    child.stdin.on('error', () => {});
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    await broker.until(() => broker.helloCount === 1);
    const startedMs = performance.now();
    child.stdin.write('end');
    await exited;
    t.true(performance.now() - startedMs < LIMIT_MS);
  });
}
