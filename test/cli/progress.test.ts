import { setImmediate as turn } from 'node:timers/promises';
import { PassThrough } from 'node:stream';
import { showWhile, startProgress } from '../../src/cli/progress.js';
import { FakeClock } from '../helpers/fake-clock.js';
import test from '../helpers/sanitary.js';

const CLEAR = '\r\u001B[2K';

function terminal(columns = 80) {
  return Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns });
}

test('progress is shown after a second, ten times a second at most, and erased at the end', (t) => {
  const clock = new FakeClock();
  const output = terminal();
  const progress = startProgress(output, clock);
  progress.show('early', 0.1);
  clock.advance(1_000);
  progress.show('first', 0.5);
  progress.show('too soon', 0.5);
  clock.advance(100);
  progress.show('second', 1);
  progress.clear();
  progress.clear();
  t.is(
    output.read(),
    `${CLEAR}${'█'.repeat(12)}${'░'.repeat(12)} first${CLEAR}${'█'.repeat(24)} second${CLEAR}`,
  );
});

test('progress fits the line, for a longer one could not be erased', (t) => {
  const clock = new FakeClock();
  const output = terminal(10);
  const progress = startProgress(output, clock);
  clock.advance(1_000);
  progress.show('longer than the line');
  t.is(output.read(), `${CLEAR}longer th`);
});

test('an output that is no terminal gets no progress', async (t) => {
  const output = new PassThrough();
  const clock = new FakeClock();
  const progress = startProgress(output, clock);
  clock.advance(5_000);
  progress.show('text', 1);
  progress.clear();
  t.is(await showWhile(output, 'waiting', Promise.resolve(3), clock), 3);
  t.is(output.read(), null);
});

test('a wait shows its seconds, and is erased when it is over', async (t) => {
  const clock = new FakeClock();
  const output = terminal();
  let finish = (): void => {};
  const waiting = showWhile(output, 'waiting', new Promise<void>((resolve) => (finish = resolve)), clock);
  clock.advance(1_000);
  clock.advance(1_000);
  finish();
  await waiting;
  await turn();
  clock.advance(5_000);
  t.is(output.read(), `${CLEAR}waiting, 1 s${CLEAR}waiting, 2 s${CLEAR}`);
});
