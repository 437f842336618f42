import { DeadlineTimer, type Timed } from '../src/deadline-queue.js';
import { FakeClock } from './helpers/fake-clock.js';
import test from './helpers/sanitary.js';

interface Item extends Timed {
  readonly name: string;
}

function start(onDue: (item: Item, timer: DeadlineTimer<Item>) => void = () => {}) {
  const clock = new FakeClock();
  const due: string[] = [];
  const timer = new DeadlineTimer<Item>(clock, (item) => {
    due.push(`${item.name} ${clock.nowMs - 1_000}`);
    onDue(item, timer);
  });
  const put = (name: string, delayMs: number): Item => {
    const item = { name, dueMs: clock.nowMs + delayMs, queueIndex: -1 };
    timer.put(item);
    return item;
  };
  return { clock, due, timer, put };
}

test('each item is due at its time, with one timer for all of them', (t) => {
  const { clock, due, put } = start();
  put('b', 20);
  put('a', 10);
  put('c', 30);
  t.is(clock.pending, 1);
  clock.advance(30);
  t.deepEqual(due, ['a 10', 'b 20', 'c 30']);
  t.is(clock.pending, 0);
});

test('a removed item is never due', (t) => {
  const { clock, due, timer, put } = start();
  timer.remove(put('a', 10));
  put('b', 20);
  clock.advance(20);
  t.deepEqual(due, ['b 20']);
});

test('an item that is put back while it is due is due again at its new time', (t) => {
  const { clock, due, put } = start((item, timer) => {
    if (item.name !== 'a' || item.dueMs > 1_010) return;
    item.dueMs += 5;
    timer.put(item);
  });
  put('a', 10);
  put('b', 10);
  clock.advance(20);
  t.deepEqual(due.toSorted(), ['a 10', 'a 15', 'b 10']);
});

test('a stopped timer starts again with the next item', (t) => {
  const { clock, due, timer, put } = start();
  put('a', 10);
  timer.stop();
  t.is(clock.pending, 0);
  clock.advance(20);
  put('b', 10);
  clock.advance(10);
  t.deepEqual(due.toSorted(), ['a 20', 'b 30']);
});

test('the other items keep their timer when one of them throws', (t) => {
  const { clock, due, put } = start((item) => {
    if (item.name === 'a') throw new Error('a fails');
  });
  put('a', 10);
  put('b', 20);
  t.throws(() => clock.advance(10), { message: 'a fails' });
  clock.advance(10);
  t.deepEqual(due, ['a 10', 'b 20']);
});
