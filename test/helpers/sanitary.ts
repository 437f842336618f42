/**
 * AVA's `test` for files that must leave nothing behind: `import test from './sanitary.js'` is all there is
 * to do.
 *
 * When its tests are over, a file fails if it has left open a descriptor, a thread, a timer or any other
 * handle that keeps the process alive, if a socket file stayed in one of its temporary directories, or if
 * Node warned of something. What closes in a later turn gets a while for that: so does a broker's owed reply,
 * if the broker of the test ends its side. Unhandled rejections fail a file without this: AVA sees to them.
 *
 * Each file is a process of its own (`workerThreads: false`), so that what is counted is the file's.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Leftovers, until } from './leftovers.js';
import { givenSeed } from './seed.js';

export default test;

const warnings: string[] = [];
/** Each temporary directory, and which test has it. */
const directories = new Map<string, string>();
const leftovers = new Leftovers();

const seed = givenSeed();
// Not loaded otherwise: most files have no property tests.
if (seed !== undefined) (await import('fast-check')).configureGlobal({ seed });

process.on('warning', (warning) => warnings.push(`warning: ${warning.name}: ${warning.message}`));

/** AVA runs hooks side by side, so that the file's own ones end while this one waits. */
test.after.always('nothing is left behind', async (t) => {
  const remaining = (): string[] => [...leftovers.list(), ...leftSockets()];
  // Node emits a warning in a later tick than its cause.
  await turn();
  await until(() => remaining().length === 0);
  const left = [...remaining(), ...warnings];
  for (const directory of directories.keys()) rmSync(directory, { recursive: true, force: true });
  t.deepEqual(left, []);
});

/**
 * A new directory that only this user can enter, with a path short enough for sockets. It is removed when all
 * tests of the file are over; each test removes its sockets before that.
 */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bp-'));
  directories.set(directory, t.title);
  return directory;
}

function leftSockets(): string[] {
  return [...directories].flatMap(([directory, title]) =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isSocket())
      .map((entry) => `socket file: ${entry.name}, of "${title}"`),
  );
}
