import { deepStrictEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { IdTable, type Numbered } from '../src/id-table.js';
import test from './helpers/sanitary.js';

interface Item extends Numbered<Item> {
  readonly id: number;
}

const ids = (items: Iterable<Item>): number[] => Array.from(items, ({ id }) => id).toSorted((a, b) => a - b);

test('a table does as a map does, whatever is added, looked up and taken', (t) => {
  // Few places, the same place for many ids, and ids above 32 bits.
  const id = fc.oneof(
    fc.nat(60),
    fc.nat(20).map((n) => n * 4_096),
    fc.nat(20).map((n) => 2 ** 40 + n),
  );
  const step = fc.record({ kind: fc.constantFrom('add', 'add', 'get', 'take'), id });
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const table = new IdTable<Item>();
        const model = new Map<number, Item>();
        for (const { kind, id: number } of steps) {
          if (kind === 'take') {
            equal(table.take(number), model.get(number));
            model.delete(number);
          } else if (kind === 'add' && !model.has(number)) {
            const item = { id: number, nextInPlace: undefined };
            table.add(item);
            model.set(number, item);
          }
          equal(table.get(number), model.get(number));
          equal(table.size, model.size);
        }
        deepStrictEqual(ids(table.items()), ids(model.values()));
      }),
    );
  });
});

test('an item that was taken has no link to another one', (t) => {
  const table = new IdTable<Item>();
  const items: Item[] = [1, 1 + 2 ** 20, 1 + 2 ** 21].map((id) => ({ id, nextInPlace: undefined }));
  for (const item of items) table.add(item);
  for (const { id } of items) t.is(table.take(id)?.nextInPlace, undefined);
  t.deepEqual(table.items(), []);
});
