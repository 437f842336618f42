import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { DeadlineQueue, type Timed } from '../src/deadline-queue.js';
import test from './helpers/sanitary.js';

function item(dueMs: number): Timed {
  return { dueMs, queueIndex: -1 };
}

function takeAll(queue: DeadlineQueue<Timed>): number[] {
  const taken: number[] = [];
  for (let next = queue.takeDue(Infinity); next !== undefined; next = queue.takeDue(Infinity))
    taken.push(next.dueMs);
  return taken;
}

test('an empty queue is due never and gives nothing', (t) => {
  const queue = new DeadlineQueue<Timed>();
  t.is(queue.nextMs, Infinity);
  t.is(queue.takeDue(Infinity), undefined);
});

test('an item is due at its time and not before', (t) => {
  const queue = new DeadlineQueue<Timed>();
  const only = item(10);
  queue.put(only);
  t.is(queue.nextMs, 10);
  t.is(queue.takeDue(9.999), undefined);
  t.is(queue.takeDue(10), only);
  t.is(queue.takeDue(10), undefined);
  t.is(only.queueIndex, -1);
});

test('putting an item again moves it to its new time', (t) => {
  const queue = new DeadlineQueue<Timed>();
  const items = [30, 10, 20].map(item);
  for (const each of items) queue.put(each);
  const [first, second] = items;
  if (first === undefined || second === undefined) throw new Error('three items');
  first.dueMs = 5;
  queue.put(first);
  second.dueMs = 40;
  queue.put(second);
  queue.put(second);
  t.deepEqual(takeAll(queue), [5, 20, 40]);
});

test('removing an item that is not in the queue does nothing, and a removed item may come back', (t) => {
  const queue = new DeadlineQueue<Timed>();
  const [stays, leaves] = [item(1), item(2)];
  queue.remove(leaves);
  queue.put(stays);
  queue.put(leaves);
  queue.remove(leaves);
  queue.remove(leaves);
  t.is(leaves.queueIndex, -1);
  queue.put(leaves);
  t.deepEqual(takeAll(queue), [1, 2]);
});

test('items that are due never stay to the last', (t) => {
  const queue = new DeadlineQueue<Timed>();
  for (const dueMs of [Infinity, 3, Infinity, 1]) queue.put(item(dueMs));
  t.is(queue.takeDue(2)?.dueMs, 1);
  t.deepEqual(takeAll(queue), [3, Infinity, Infinity]);
});

// Few and close times, so that many are equal.
const time = fc.oneof(fc.nat(12), fc.constantFrom(Infinity, 0.5));
const operation = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), which: fc.nat(30), dueMs: time }),
  fc.record({ kind: fc.constant('remove' as const), which: fc.nat(30), dueMs: time }),
  fc.record({ kind: fc.constant('take' as const), which: fc.constant(0), dueMs: time }),
);

test('after any operations the queue agrees with a sorted array', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120, size: 'max' }), (operations) => {
        const queue = new DeadlineQueue<Timed>();
        const items = Array.from({ length: 31 }, () => item(0));
        const queued = new Set<Timed>();
        const times = (): number[] => Array.from(queued, ({ dueMs }) => dueMs).toSorted((a, b) => a - b);
        for (const { kind, which, dueMs } of operations) {
          const chosen = items[which] ?? item(0);
          if (kind === 'put') {
            chosen.dueMs = dueMs;
            queue.put(chosen);
            queued.add(chosen);
          } else if (kind === 'remove') {
            queue.remove(chosen);
            queued.delete(chosen);
          } else {
            const [soonest = Infinity] = times();
            const taken = queue.takeDue(dueMs);
            // Of several that are due at once, any will do.
            strictEqual(taken?.dueMs, queued.size > 0 && soonest <= dueMs ? soonest : undefined);
            if (taken !== undefined) ok(queued.delete(taken));
          }
          strictEqual(queue.nextMs, times()[0] ?? Infinity);
          for (const each of items) strictEqual(each.queueIndex >= 0, queued.has(each));
        }
        deepStrictEqual(takeAll(queue), times());
      }),
      { numRuns: 500 },
    );
  });
});
