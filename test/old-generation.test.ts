import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startSystem } from './helpers/system.js';
import test from './helpers/sanitary.js';
import type { Repeated } from './old-generation.js';

const PROGRAM = fileURLToPath(new URL('old-generation.js', import.meta.url));
/** Without machine code, which lies in the old generation as well. */
const OPTIONS = ['--expose-gc', '--no-opt', '--no-sparkplug'];
/** Less than a seventh of what tables of a `Map` took that each acquire entered and left. */
const FEW_BYTES = 20;

const NAMES: Readonly<Record<Repeated, string>> = {
  listener: 'an acquire with a listener for its release',
  spans: 'an acquire with spans',
};

for (const repeated of ['listener', 'spans'] as const) {
  test(`${NAMES[repeated]} moves at most ${FEW_BYTES} bytes into the old generation`, async (t) => {
    const { target } = await startSystem(t);
    const program = [...OPTIONS, PROGRAM, JSON.stringify(target), repeated];
    const { stdout } = await promisify(execFile)(process.execPath, program);
    t.log(stdout.trim());
    t.true(Number(stdout) <= FEW_BYTES);
  });
}
