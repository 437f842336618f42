/**
 * A program that starts a test system and ends without stopping it: `node crashing-program.js
 * spawned|embedded throw|exit|wait|early|paused`. Prints a line when the system runs; `early` prints it
 * before.
 */
import { spawnTestSystem, startTestSystem } from '../../src/testing/index.js';

const [, , kind, end] = process.argv;

if (end === 'early') process.stdout.write('starting\n');
if (kind === 'spawned') {
  const { backend } = await spawnTestSystem({ handoff: 'none' });
  if (end === 'paused') backend.pause();
} else {
  await startTestSystem();
}
process.stdout.write('running\n');
if (end === 'throw') {
  queueMicrotask(() => {
    throw new Error('the program crashes');
  });
}
if (end === 'exit' || end === 'paused') process.exit(3);
