import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict';
import * as fc from 'fast-check';
import { Bag, type BagEntry, type BagWaiter, type EntryState } from '../../src/pool/bag.js';
import test from '../helpers/sanitary.js';

class Entry implements BagEntry<Entry> {
  readonly id: number;
  state: EntryState = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
  place = -1;

  constructor(id: number) {
    this.id = id;
  }
}

class Waiter implements BagWaiter<Waiter> {
  readonly id: number;
  next: Waiter | undefined;
  previous: Waiter | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

/** The bag as one would write it without a care for speed. */
class Model {
  /** The longest idle first. */
  idle: Entry[] = [];
  leased: Entry[] = [];
  reserved: Entry[] = [];
  removed: Entry[] = [];
  waiting: Waiter[] = [];
  left: Waiter[] = [];
}

interface Step {
  readonly name: string;
  /** Picks one of those the operation could be about. */
  readonly pick: number;
}

function run(steps: readonly Step[]): void {
  const bag = new Bag<Entry, Waiter>();
  const model = new Model();
  let nextId = 0;
  for (const { name, pick } of steps) {
    const pickFrom = <T>(list: readonly T[]): T | undefined => list[pick % Math.max(1, list.length)];
    operations[name]?.(bag, model, pickFrom, () => nextId++);
    agree(bag, model);
  }
}

type Operation = (
  bag: Bag<Entry, Waiter>,
  model: Model,
  pickFrom: <T>(list: readonly T[]) => T | undefined,
  id: () => number,
) => void;

const without = <T>(list: readonly T[], item: T): T[] => list.filter((each) => each !== item);

const operations: Readonly<Record<string, Operation>> = {
  add(bag, model, _pickFrom, id) {
    const entry = new Entry(id());
    bag.add(entry);
    model.leased.push(entry);
  },
  borrow(bag, model) {
    const expected = model.idle.pop();
    if (expected !== undefined) model.leased.push(expected);
    strictEqual(bag.borrow(), expected);
  },
  giveBack(bag, model, pickFrom) {
    const entry = pickFrom([...model.leased, ...model.reserved]);
    if (entry === undefined) return;
    bag.giveBack(entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.idle.push(entry);
  },
  giveBackAsSpare(bag, model, pickFrom) {
    const entry = pickFrom([...model.reserved, ...model.leased]);
    if (entry === undefined) return;
    bag.giveBackAsSpare(entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.idle.unshift(entry);
  },
  reserve(bag, model, pickFrom) {
    const entry = pickFrom([...model.idle, ...model.leased]);
    if (entry === undefined) return;
    bag.reserve(entry);
    model.idle = without(model.idle, entry);
    model.leased = without(model.leased, entry);
    model.reserved.push(entry);
  },
  remove(bag, model, pickFrom) {
    const entry = pickFrom([...model.idle, ...model.leased, ...model.reserved]);
    if (entry === undefined) return;
    ok(bag.remove(entry));
    model.idle = without(model.idle, entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.removed.push(entry);
  },
  misuse(bag, model, pickFrom) {
    const removed = pickFrom(model.removed);
    if (removed !== undefined) {
      strictEqual(bag.remove(removed), false);
      throws(() => bag.giveBack(removed));
      throws(() => bag.giveBackAsSpare(removed));
      throws(() => bag.reserve(removed));
      throws(() => bag.add(removed));
    }
    const idle = pickFrom(model.idle);
    if (idle !== undefined) throws(() => bag.giveBack(idle));
    const taken = pickFrom(model.reserved);
    if (taken !== undefined) throws(() => bag.reserve(taken));
  },
  sweep(bag, model, pickFrom) {
    // Like maintenance: goes through the idle entries and takes out some of them on the way.
    const doomed = new Set([pickFrom(model.idle), model.idle[0], model.idle.at(-1)]);
    const seen: Entry[] = [];
    for (const entry of bag.idleEntries()) {
      seen.push(entry);
      if (doomed.has(entry)) ok(bag.remove(entry));
    }
    deepStrictEqual(ids(seen), ids(model.idle));
    model.removed.push(...model.idle.filter((entry) => doomed.has(entry)));
    model.idle = model.idle.filter((entry) => !doomed.has(entry));
  },
  enqueue(bag, model, _pickFrom, id) {
    const waiter = new Waiter(id());
    bag.enqueue(waiter);
    model.waiting.push(waiter);
  },
  dequeue(bag, model) {
    const expected = model.waiting.shift();
    if (expected !== undefined) model.left.push(expected);
    strictEqual(bag.dequeue(), expected);
  },
  cancel(bag, model, pickFrom) {
    const waiter = pickFrom(model.waiting);
    if (waiter === undefined) return;
    ok(bag.cancel(waiter));
    model.waiting = without(model.waiting, waiter);
    model.left.push(waiter);
  },
  comeBack(bag, model, pickFrom) {
    const waiter = pickFrom(model.left);
    if (waiter === undefined) return;
    strictEqual(bag.cancel(waiter), false);
    bag.enqueue(waiter);
    model.left = without(model.left, waiter);
    model.waiting.push(waiter);
  },
};

const ids = (list: Iterable<{ readonly id: number }>): number[] => Array.from(list, ({ id }) => id);

function agree(bag: Bag<Entry, Waiter>, model: Model): void {
  deepStrictEqual(ids(bag.idleEntries()), ids(model.idle));
  const { idle, leased, reserved, waiting } = model;
  deepStrictEqual([bag.idle, bag.leased, bag.reserved], [idle.length, leased.length, reserved.length]);
  deepStrictEqual([bag.newestIdle, bag.oldestIdle], [idle.at(-1), idle[0]]);
  deepStrictEqual(
    [bag.waiting, bag.firstWaiter, bag.lastWaiter],
    [waiting.length, waiting[0], waiting.at(-1)],
  );
  const inOrder = (list: readonly Entry[]): number[] => ids(list).toSorted((a, b) => a - b);
  deepStrictEqual(inOrder(bag.entries()), inOrder([...idle, ...leased, ...reserved]));
  strictEqual(bag.size, idle.length + leased.length + reserved.length);
  for (const state of ['idle', 'leased', 'reserved', 'removed'] as const)
    ok(model[state].every((entry) => entry.state === state));
  ok(
    model.waiting.every((waiter) => bag.isQueued(waiter)) &&
      !model.left.some((waiter) => bag.isQueued(waiter)),
  );
}

test('after any operations the bag agrees with plain arrays', (t) => {
  const step = fc.record({ name: fc.constantFrom(...Object.keys(operations)), pick: fc.nat(20) });
  t.notThrows(() => {
    fc.assert(fc.property(fc.array(step, { maxLength: 150 }), run), { numRuns: 500 });
  });
});
