import { deepStrictEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { Fifo, type Queued } from '../src/fifo.js';
import test from './helpers/sanitary.js';

interface Item extends Queued<Item> {
  readonly number: number;
}

const itemOf = (number: number): Item => ({ number, previous: undefined, next: undefined, queue: undefined });

test('a queue does as an array does, whatever is pushed, put back, shifted and removed', (t) => {
  const step = fc.record({
    kind: fc.constantFrom('push', 'push', 'shift', 'first', 'remove', 'removeFirst', 'putBack', 'takeAll'),
    which: fc.nat(),
  });
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const queue = new Fifo<Item>();
        let model: Item[] = [];
        for (const [number, { kind, which }] of steps.entries()) {
          const chosen = model[which % Math.max(model.length, 1)];
          if (kind === 'push') {
            model.push(itemOf(number));
            queue.push(model.at(-1)!);
          } else if (kind === 'shift') equal(queue.shift(), model.shift());
          else if (kind === 'first') equal(queue.first, model[0]);
          else if (kind === 'putBack') {
            const items = [itemOf(number), itemOf(-number)];
            queue.putBack(items);
            model = [...items, ...model];
          } else if (kind === 'takeAll') deepStrictEqual(queue.takeAll(), model.splice(0));
          else {
            const item = kind === 'remove' ? chosen : model[0];
            if (item === undefined) continue;
            equal(queue.remove(item), true);
            equal(queue.remove(item), false);
            model = model.filter((one) => one !== item);
          }
          equal(queue.length, model.length);
        }
        deepStrictEqual(queue.takeAll(), model);
        equal(queue.first, undefined);
      }),
    );
  });
});

test('an item that has left keeps none of its neighbours alive', (t) => {
  const queue = new Fifo<Item>();
  const items = [1, 2, 3].map(itemOf);
  for (const item of items) queue.push(item);
  queue.remove(items[1]!);
  queue.shift();
  queue.takeAll();
  t.deepEqual(items, [1, 2, 3].map(itemOf));
});
