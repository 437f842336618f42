import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

const PROGRAM = fileURLToPath(new URL('crashing-program.js', import.meta.url));
const onPosix = testWhere(!onWindows, 'signals');

/** Runs the program; its output closes when the processes that it started have ended, too. */
function start(kind: string, end: string, temporary: string) {
  const child = spawn(process.execPath, [PROGRAM, kind, end], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = Promise.all([text(child.stderr), once(child, 'close')]);
  return { child, ended };
}

for (const kind of ['spawned', 'embedded']) {
  onPosix(`a test system leaves nothing behind when its program throws: ${kind}`, async (t) => {
    const temporary = temporaryDirectory(t);
    const [stderr, [code]] = await start(kind, 'throw', temporary).ended;
    t.regex(stderr, /Error: the program crashes/);
    t.is(code, 1);
    t.deepEqual(readdirSync(temporary), []);
  });

  onPosix(`a test system leaves nothing behind when its program calls process.exit(): ${kind}`, async (t) => {
    const temporary = temporaryDirectory(t);
    const [stderr, [code]] = await start(kind, 'exit', temporary).ended;
    t.deepEqual([stderr, code], ['', 3]);
    t.deepEqual(readdirSync(temporary), []);
  });
}

for (const end of ['wait', 'early']) {
  onPosix(
    `a spawned test system leaves nothing behind when its program is killed ${end === 'wait' ? 'while it runs' : 'while it starts'}`,
    async (t) => {
      const temporary = temporaryDirectory(t);
      const { child, ended } = start('spawned', end, temporary);
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      const [stderr, [, signal]] = await ended;
      t.deepEqual([stderr, signal], ['', 'SIGKILL']);
      t.deepEqual(readdirSync(temporary), []);
    },
  );
}

onPosix('a process of a test system that is paused ends with its program', async (t) => {
  const temporary = temporaryDirectory(t);
  const [stderr, [code]] = await start('spawned', 'paused', temporary).ended;
  t.deepEqual([stderr, code], ['', 3]);
  t.deepEqual(readdirSync(temporary), []);
});
