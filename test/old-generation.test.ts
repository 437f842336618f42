import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { startSystem } from './helpers/system.js';
import test from './helpers/sanitary.js';
import { SHARING, testWhere } from './helpers/test-where.js';
import { canShare } from './sharing/kit.js';
import type { Repeated } from './old-generation.js';

const PROGRAM = fileURLToPath(new URL('old-generation.js', import.meta.url));
/** Without machine code, which lies in the old generation as well. */
const OPTIONS = ['--expose-gc', '--no-opt', '--no-sparkplug'];
/** Less than half of what the tables of one `Map` or `Set` took that each acquire entered and left. */
const FEW_BYTES = 20;

const NAMES = {
  listener: 'an acquire with a listener for its release',
  spans: 'an acquire with spans',
  guest: 'an acquire of another thread',
} satisfies Partial<Record<Repeated, string>>;

for (const repeated of ['listener', 'spans', 'guest'] as const) {
  testWhere(repeated !== 'guest' || canShare, SHARING)(
    `${NAMES[repeated]} brings at most ${FEW_BYTES} bytes into the old generation`,
    async (t) => {
      t.true((await bytesOf(t, repeated)) <= FEW_BYTES);
    },
  );
}

// A validated connection gets a new socket. From Node 24 on, streams have functions that V8 makes in the old generation at
// once: some 750 bytes a socket.
const VALIDATED = `a validated acquire brings at most ${FEW_BYTES} bytes more into the old generation than a socket of Node's own`;
test(VALIDATED, async (t) => {
  const ofSocket = await bytesOf(t, 'socket');
  t.true((await bytesOf(t, 'validate')) <= ofSocket + FEW_BYTES);
});

async function bytesOf(t: ExecutionContext, repeated: Repeated): Promise<number> {
  const { target } = await startSystem(t);
  const program = [...OPTIONS, PROGRAM, JSON.stringify(target), repeated];
  const { stdout } = await promisify(execFile)(process.execPath, program);
  t.log(`${repeated}: ${stdout.trim()}`);
  return Number(stdout);
}
