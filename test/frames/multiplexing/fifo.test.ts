import { deepStrictEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { Fifo } from '../../../src/frames/multiplexing/fifo.js';
import test from '../../helpers/sanitary.js';

test('a queue does as an array does, whatever is pushed, put back, shifted and removed', (t) => {
  const step = fc.record({
    kind: fc.constantFrom('push', 'push', 'shift', 'first', 'remove', 'removeFirst', 'putBack', 'takeAll'),
    which: fc.nat(),
  });
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const queue = new Fifo<{ readonly number: number }>();
        let model: { readonly number: number }[] = [];
        for (const [number, { kind, which }] of steps.entries()) {
          const chosen = model[which % Math.max(model.length, 1)];
          if (kind === 'push') {
            model.push({ number });
            queue.push(model.at(-1)!);
          } else if (kind === 'shift') equal(queue.shift(), model.shift());
          else if (kind === 'first') equal(queue.first, model[0]);
          else if (kind === 'putBack') {
            const items = [{ number }, { number: -number }];
            queue.putBack(items);
            model = [...items, ...model];
          } else if (kind === 'takeAll') deepStrictEqual(queue.takeAll(), model.splice(0));
          else {
            const item = kind === 'remove' ? chosen : model[0];
            if (item === undefined) continue;
            queue.remove(item);
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

test('a long queue is emptied without stepping over the items that have left', (t) => {
  const queue = new Fifo<object>();
  const count = 600_000;
  for (let index = 0; index < count; index++) queue.push({});
  const before = process.cpuUsage();
  let taken = 0;
  while (queue.shift() !== undefined) taken++;
  const { user, system } = process.cpuUsage(before);
  t.is(taken, count);
  // Of the processor's time, which a busy machine stretches less; stepping over them all takes a minute.
  t.true((user + system) / 1_000_000 < 20);
});
