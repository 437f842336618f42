import { deepStrictEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { IdTable, type Numbered } from '../src/id-table.js';
import { collectGarbage } from './helpers/garbage.js';
import test from './helpers/sanitary.js';

interface Item extends Numbered<Item> {
  readonly id: number;
}

/** Enough that their places are much beside what else a process allocates meanwhile. */
const MANY = 1_000_000;

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

test.serial('a table that was full keeps less than a byte for each item that it had', async (t) => {
  const table = new IdTable<Item>();
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let id = 0; id < MANY; id++) table.add({ id, nextInPlace: undefined });
  for (let id = 0; id < MANY; id++) table.take(id);
  await collectGarbage();
  t.is(table.size, 0);
  t.true(process.memoryUsage().heapUsed - before < MANY);
});

test('a table finds the items that are left of many, and those that come then', (t) => {
  const table = new IdTable<Item>();
  for (let id = 0; id < MANY; id++) table.add({ id, nextInPlace: undefined });
  const left: number[] = [];
  for (let id = 0; id < MANY; id++)
    if (id % 997 === 0) left.push(id);
    else table.take(id);
  t.deepEqual(ids(table.items()), left);
  for (let id = MANY; id < MANY + 5_000; id++) table.add({ id, nextInPlace: undefined });
  t.is(table.size, left.length + 5_000);
  for (const id of [...left, MANY, MANY + 4_999]) t.is(table.take(id)?.id, id);
});
