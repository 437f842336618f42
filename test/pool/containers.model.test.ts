import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  EntryList,
  type EntryState,
  type ListEntry,
  LinkedQueue,
  type QueueItem,
} from '../../src/pool/containers.js';
import test from '../helpers/sanitary.js';

class Entry implements ListEntry<Entry> {
  readonly id: number;
  state: EntryState = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

class Waiter implements QueueItem<Waiter> {
  readonly id: number;
  next: Waiter | undefined;
  previous: Waiter | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

/** Both containers as one would write them without a care for speed. */
class Model {
  /** The longest idle first. */
  idle: Entry[] = [];
  leased: Entry[] = [];
  reserved: Entry[] = [];
  detached: Entry[] = [];
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
  const containers = { list: new EntryList<Entry>(), queue: new LinkedQueue<Waiter>() };
  const model = new Model();
  let nextId = 0;
  for (const { name, pick } of steps) {
    const pickFrom = <T>(list: readonly T[]): T | undefined => list[pick % Math.max(1, list.length)];
    operations[name]?.(containers, model, pickFrom, () => nextId++);
    agree(containers, model);
  }
}

interface Containers {
  readonly list: EntryList<Entry>;
  readonly queue: LinkedQueue<Waiter>;
}

type Operation = (
  containers: Containers,
  model: Model,
  pickFrom: <T>(list: readonly T[]) => T | undefined,
  id: () => number,
) => void;

const without = <T>(list: readonly T[], item: T): T[] => list.filter((each) => each !== item);

const operations: Readonly<Record<string, Operation>> = {
  add({ list }, model, _pickFrom, id) {
    const entry = new Entry(id());
    list.add(entry);
    model.leased.push(entry);
  },
  leaseNewest({ list }, model) {
    const expected = model.idle.pop();
    if (expected !== undefined) model.leased.push(expected);
    strictEqual(list.leaseNewest(), expected);
  },
  makeIdle({ list }, model, pickFrom) {
    const entry = pickFrom([...model.leased, ...model.reserved]);
    if (entry === undefined) return;
    list.makeIdle(entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.idle.push(entry);
  },
  makeIdleAsOldest({ list }, model, pickFrom) {
    const entry = pickFrom([...model.reserved, ...model.leased]);
    if (entry === undefined) return;
    list.makeIdleAsOldest(entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.idle.unshift(entry);
  },
  reserve({ list }, model, pickFrom) {
    const entry = pickFrom([...model.idle, ...model.leased]);
    if (entry === undefined) return;
    list.reserve(entry);
    model.idle = without(model.idle, entry);
    model.leased = without(model.leased, entry);
    model.reserved.push(entry);
  },
  detach({ list }, model, pickFrom) {
    const entry = pickFrom(model.leased);
    if (entry === undefined) return;
    list.detach(entry);
    model.leased = without(model.leased, entry);
    model.detached.push(entry);
  },
  remove({ list }, model, pickFrom) {
    const entry = pickFrom([...model.idle, ...model.leased, ...model.reserved, ...model.detached]);
    if (entry === undefined) return;
    ok(list.remove(entry));
    model.idle = without(model.idle, entry);
    model.leased = without(model.leased, entry);
    model.reserved = without(model.reserved, entry);
    model.detached = without(model.detached, entry);
    model.removed.push(entry);
  },
  misuse({ list }, model, pickFrom) {
    const removed = pickFrom(model.removed);
    if (removed !== undefined) {
      strictEqual(list.remove(removed), false);
      throws(() => list.makeIdle(removed));
      throws(() => list.makeIdleAsOldest(removed));
      throws(() => list.reserve(removed));
      throws(() => list.add(removed));
    }
    const idle = pickFrom(model.idle);
    if (idle !== undefined) throws(() => list.makeIdle(idle));
    const taken = pickFrom(model.reserved);
    if (taken !== undefined) throws(() => list.reserve(taken));
  },
  sweep({ list }, model, pickFrom) {
    // Like maintenance: goes through the idle entries and takes out some of them on the way.
    const doomed = new Set([pickFrom(model.idle), model.idle[0], model.idle.at(-1)]);
    const seen: Entry[] = [];
    for (const entry of list.idleEntries()) {
      seen.push(entry);
      if (doomed.has(entry)) ok(list.remove(entry));
    }
    deepStrictEqual(ids(seen), ids(model.idle));
    model.removed.push(...model.idle.filter((entry) => doomed.has(entry)));
    model.idle = model.idle.filter((entry) => !doomed.has(entry));
  },
  enqueue({ queue }, model, _pickFrom, id) {
    const waiter = new Waiter(id());
    queue.push(waiter);
    model.waiting.push(waiter);
  },
  dequeue({ queue }, model) {
    const expected = model.waiting.shift();
    if (expected !== undefined) model.left.push(expected);
    strictEqual(queue.shift(), expected);
  },
  cancel({ queue }, model, pickFrom) {
    const waiter = pickFrom(model.waiting);
    if (waiter === undefined) return;
    ok(queue.remove(waiter));
    model.waiting = without(model.waiting, waiter);
    model.left.push(waiter);
  },
  comeBack({ queue }, model, pickFrom) {
    const waiter = pickFrom(model.left);
    if (waiter === undefined) return;
    strictEqual(queue.remove(waiter), false);
    queue.push(waiter);
    model.left = without(model.left, waiter);
    model.waiting.push(waiter);
  },
};

const ids = (list: Iterable<{ readonly id: number }>): number[] => Array.from(list, ({ id }) => id);

function agree({ list, queue }: Containers, model: Model): void {
  deepStrictEqual(ids(list.idleEntries()), ids(model.idle));
  const { idle, leased, reserved, detached, waiting } = model;
  deepStrictEqual([list.idle, list.leased, list.reserved], [idle.length, leased.length, reserved.length]);
  deepStrictEqual([list.newestIdle, list.oldestIdle], [idle.at(-1), idle[0]]);
  deepStrictEqual([queue.size, queue.first, queue.last], [waiting.length, waiting[0], waiting.at(-1)]);
  const inOrder = (entries: readonly Entry[]): number[] => ids(entries).toSorted((a, b) => a - b);
  deepStrictEqual(inOrder(list.entries()), inOrder([...idle, ...leased, ...reserved, ...detached]));
  strictEqual(list.size, idle.length + leased.length + reserved.length + detached.length);
  strictEqual(list.detached, detached.length);
  for (const state of ['idle', 'leased', 'reserved', 'detached', 'removed'] as const)
    ok(model[state].every((entry) => entry.state === state));
  ok(
    model.waiting.every((waiter) => queue.includes(waiter)) &&
      !model.left.some((waiter) => queue.includes(waiter)),
  );
}

test('after any operations both containers agree with plain arrays', (t) => {
  const step = fc.record({ name: fc.constantFrom(...Object.keys(operations)), pick: fc.nat(20) });
  t.notThrows(() => {
    fc.assert(fc.property(fc.array(step, { maxLength: 150, size: 'max' }), run), { numRuns: 200 });
  });
});
