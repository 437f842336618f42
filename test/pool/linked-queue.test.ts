import { LinkedQueue, type QueueItem } from '../../src/pool/containers.js';
import test from '../helpers/sanitary.js';

class Waiter implements QueueItem<Waiter> {
  next: Waiter | undefined;
  previous: Waiter | undefined;
}

test('waiters leave in the order in which they came', (t) => {
  const queue = new LinkedQueue<Waiter>();
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) queue.push(waiter);
  t.is(queue.size, 3);
  t.is(queue.first, waiters[0]);
  t.is(queue.shift(), waiters[0]);
  t.is(queue.shift(), waiters[1]);
  t.is(queue.shift(), waiters[2]);
  t.is(queue.shift(), undefined);
});

test('a waiter can be removed from any position, once', (t) => {
  for (const place of [0, 1, 2]) {
    const queue = new LinkedQueue<Waiter>();
    const waiters = [new Waiter(), new Waiter(), new Waiter()];
    for (const waiter of waiters) queue.push(waiter);
    const leaving = waiters[place] ?? new Waiter();
    t.true(queue.remove(leaving));
    t.false(queue.remove(leaving));
    t.is(queue.size, 2);
    t.deepEqual([queue.shift(), queue.shift(), queue.shift()], [...waiters.toSpliced(place, 1), undefined]);
  }
  t.false(new LinkedQueue<Waiter>().remove(new Waiter()), 'never came');
});

test('last is the waiter that came last', (t) => {
  const queue = new LinkedQueue<Waiter>();
  t.is(queue.last, undefined);
  const waiters = [new Waiter(), new Waiter()];
  for (const waiter of waiters) queue.push(waiter);
  t.is(queue.last, waiters[1]);
  queue.shift();
  t.is(queue.last, waiters[1]);
  queue.shift();
  t.is(queue.last, undefined);
});

test('a removed waiter has no links to others', (t) => {
  const queue = new LinkedQueue<Waiter>();
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) queue.push(waiter);
  const left = waiters[1] ?? new Waiter();
  queue.remove(left);
  t.deepEqual([left.next, left.previous], [undefined, undefined]);
});

test('an empty queue has no waiter', (t) => {
  const queue = new LinkedQueue<Waiter>();
  t.is(queue.shift(), undefined);
  t.deepEqual([queue.first, queue.last, queue.size], [undefined, undefined, 0]);
});
