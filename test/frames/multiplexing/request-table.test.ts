import { deepStrictEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Uint64 } from '../../../src/frames/codec/frame-view.js';
import { ABANDONED, RequestTable, type Identified } from '../../../src/frames/multiplexing/request-table.js';
import test from '../../helpers/sanitary.js';

test('ids begin at 1 and count on (S-52)', (t) => {
  const table = new RequestTable<Identified>();
  t.deepEqual([table.add({ id: 0 }), table.add({ id: 0 }), table.add({ id: 0 })], [1, 2, 3]);
});

test('ids count on exactly beyond 2^53, and begin at 1 again after 2^64 - 1 (S-52)', (t) => {
  const large = new RequestTable<Identified>(Number.MAX_SAFE_INTEGER);
  t.deepEqual([large.add({ id: 0 }), large.add({ id: 0 })], [2 ** 53 - 1, 2n ** 53n]);
  const last = new RequestTable<Identified>(2n ** 64n - 1n);
  t.deepEqual([last.add({ id: 0 }), last.add({ id: 0 })], [2n ** 64n - 1n, 1]);
});

test('an id in use is not given again after the count has wrapped (S-55)', (t) => {
  const table = new RequestTable<Identified>(2n ** 64n - 2n, [2n ** 64n - 1n, 1, 2]);
  t.deepEqual([table.add({ id: 0 }), table.add({ id: 0 }), table.add({ id: 0 })], [2n ** 64n - 2n, 3, 4]);
  t.is(table.take(1), ABANDONED);
  t.is(table.abandoned, 2);
});

interface Model {
  readonly waiting: Map<Uint64, object>;
  readonly abandoned: Set<Uint64>;
}

test('each answer finds the request of its id once, whatever is added, answered and abandoned', (t) => {
  const step = fc.record({ kind: fc.constantFrom('add', 'answer', 'abandon'), which: fc.nat() });
  t.notThrows(() => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: 'max' }),
        fc.bigInt(2n ** 64n - 50n, 2n ** 64n - 1n),
        (steps, first) => {
          const table = new RequestTable<Identified>(first);
          const model: Model = { waiting: new Map(), abandoned: new Set() };
          for (const { kind, which } of steps) {
            const ids = [...model.waiting.keys(), ...model.abandoned];
            const id = ids[which % Math.max(ids.length, 1)];
            if (kind === 'add') {
              const request: Identified = { id: 0 };
              const added = table.add(request);
              ok(!ids.includes(added));
              model.waiting.set(added, request);
            } else if (id === undefined) equal(table.take(which), undefined);
            else if (kind === 'answer') {
              const expected = model.abandoned.has(id) ? ABANDONED : model.waiting.get(id);
              equal(table.take(id), expected);
              equal(table.take(id), undefined);
              model.waiting.delete(id);
              model.abandoned.delete(id);
            } else if (model.waiting.delete(id)) {
              model.abandoned.add(id);
              table.abandon(id);
            }
            deepStrictEqual(
              [table.size, table.abandoned],
              [model.waiting.size + model.abandoned.size, model.abandoned.size],
            );
          }
          deepStrictEqual(new Set(table.takeAll()), new Set(model.waiting.values()));
          equal(table.size, 0);
        },
      ),
    );
  });
});
