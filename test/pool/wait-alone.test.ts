import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';

const PROGRAM = fileURLToPath(new URL('wait-alone.js', import.meta.url));

for (const [what, end] of [
  ['acquire', 'TIMEOUT'],
  ['close', 'done'],
] as const) {
  test(`${what} ends within its time where nothing but its caller keeps the process alive`, async (t) => {
    const { target } = await startSystem(t);
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, JSON.stringify(target), what], {
      timeout: scaled(15_000),
    });
    t.is(stdout, end);
  });
}
