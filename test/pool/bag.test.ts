import { Bag, type BagEntry, type BagWaiter } from '../../src/pool/bag.js';
import test from '../helpers/sanitary.js';

class Entry implements BagEntry<Entry> {
  state: BagEntry<Entry>['state'] = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
  place = -1;
}

class Waiter implements BagWaiter<Waiter> {
  next: Waiter | undefined;
  previous: Waiter | undefined;
}

function bagWith(count: number): { bag: Bag<Entry, Waiter>; entries: Entry[] } {
  const bag = new Bag<Entry, Waiter>();
  const entries = Array.from({ length: count }, () => new Entry());
  for (const entry of entries) {
    bag.add(entry);
    bag.giveBack(entry);
  }
  return { bag, entries };
}

test('an empty bag lends nothing and has no one to serve', (t) => {
  const bag = new Bag<Entry, Waiter>();
  t.is(bag.borrow(), undefined);
  t.is(bag.dequeue(), undefined);
  t.is(bag.firstWaiter, undefined);
  t.deepEqual([...bag.idleEntries()], []);
  t.deepEqual([bag.idle, bag.leased, bag.size, bag.waiting], [0, 0, 0, 0]);
});

test('a new entry comes in as leased', (t) => {
  const bag = new Bag<Entry, Waiter>();
  const entry = new Entry();
  bag.add(entry);
  t.is(entry.state, 'leased');
  t.deepEqual([bag.idle, bag.leased, bag.size], [0, 1, 1]);
  t.is(bag.borrow(), undefined);
});

test('the entry that became idle last is lent first, so that spare ones grow old', (t) => {
  const { bag, entries } = bagWith(3);
  t.deepEqual([...bag.idleEntries()], entries);
  t.is(bag.borrow(), entries[2]);
  t.is(bag.borrow(), entries[1]);
  t.is(bag.borrow(), entries[0]);
});

test('an entry that is removed is not lent, whether it stood first, between or last', (t) => {
  for (const place of [0, 1, 2]) {
    const { bag, entries } = bagWith(3);
    const entry = entries[place] ?? new Entry();
    t.true(bag.remove(entry));
    t.is(entry.state, 'removed');
    t.deepEqual([...bag.idleEntries()], entries.toSpliced(place, 1));
    t.is(bag.size, 2);
  }
});

test('removing is done once, and a leased entry can be removed too', (t) => {
  const { bag } = bagWith(1);
  const entry = bag.borrow() ?? new Entry();
  t.true(bag.remove(entry));
  t.false(bag.remove(entry));
  t.false(bag.remove(new Entry()), 'was never in');
  t.deepEqual([bag.idle, bag.leased, bag.size], [0, 0, 0]);
});

test("what does not fit an entry's state is a mistake and changes nothing", (t) => {
  const { bag, entries } = bagWith(1);
  const entry = entries[0] ?? new Entry();
  t.throws(() => bag.add(entry), { message: 'cannot add an entry that is idle' });
  t.throws(() => bag.giveBack(entry), { message: 'cannot give back an entry that is idle' });
  t.throws(() => bag.giveBack(new Entry()), { message: 'cannot give back an entry that is new' });
  t.is(bag.borrow(), entry);
  t.throws(() => bag.add(entry), { message: 'cannot add an entry that is leased' });
  bag.remove(entry);
  t.throws(() => bag.add(entry), { message: 'cannot add an entry that is removed' });
  t.throws(() => bag.giveBack(entry), { message: 'cannot give back an entry that is removed' });
  t.is(bag.size, 0);
});

test('the entry at hand may be removed while the idle ones are gone through', (t) => {
  const { bag, entries } = bagWith(4);
  const seen: Entry[] = [];
  for (const entry of bag.idleEntries()) {
    seen.push(entry);
    bag.remove(entry);
  }
  t.deepEqual(seen, entries);
  t.is(bag.size, 0);
  t.is(bag.borrow(), undefined);
});

test('who waits is served in the order of coming', (t) => {
  const bag = new Bag<Entry, Waiter>();
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) bag.enqueue(waiter);
  t.is(bag.waiting, 3);
  t.is(bag.firstWaiter, waiters[0]);
  t.is(bag.dequeue(), waiters[0]);
  t.is(bag.dequeue(), waiters[1]);
  t.is(bag.dequeue(), waiters[2]);
  t.is(bag.dequeue(), undefined);
});

test('a waiter can leave from any place, once', (t) => {
  for (const place of [0, 1, 2]) {
    const bag = new Bag<Entry, Waiter>();
    const waiters = [new Waiter(), new Waiter(), new Waiter()];
    for (const waiter of waiters) bag.enqueue(waiter);
    const leaving = waiters[place] ?? new Waiter();
    t.true(bag.cancel(leaving));
    t.false(bag.cancel(leaving));
    t.is(bag.waiting, 2);
    t.deepEqual([bag.dequeue(), bag.dequeue(), bag.dequeue()], [...waiters.toSpliced(place, 1), undefined]);
  }
  t.false(new Bag<Entry, Waiter>().cancel(new Waiter()), 'never came');
});

test('who is out of the bag holds on to nobody in it', (t) => {
  const { bag, entries } = bagWith(3);
  const middle = entries[1] ?? new Entry();
  bag.remove(middle);
  t.deepEqual([middle.newer, middle.older], [undefined, undefined]);
  const waiters = [new Waiter(), new Waiter(), new Waiter()];
  for (const waiter of waiters) bag.enqueue(waiter);
  const left = waiters[1] ?? new Waiter();
  bag.cancel(left);
  t.deepEqual([left.next, left.previous], [undefined, undefined]);
});

test('a reserved entry still counts, and nobody can borrow it', (t) => {
  const { bag, entries } = bagWith(2);
  const newest = entries[1] ?? new Entry();
  bag.reserve(newest);
  t.is(newest.state, 'reserved');
  t.deepEqual([bag.idle, bag.leased, bag.reserved, bag.size], [1, 0, 1, 2]);
  t.deepEqual([...bag.idleEntries()], [entries[0]]);
  t.is(bag.borrow(), entries[0]);
  t.is(bag.borrow(), undefined);
});

test('a reserved entry comes back to be leased next, or as a spare one to be leased last', (t) => {
  const { bag, entries } = bagWith(3);
  const [oldest = new Entry(), , newest = new Entry()] = entries;
  bag.reserve(newest);
  bag.giveBackAsSpare(newest);
  t.deepEqual([...bag.idleEntries()], [newest, oldest, entries[1]]);
  bag.reserve(oldest);
  bag.giveBack(oldest);
  t.deepEqual([bag.newestIdle, bag.oldestIdle, bag.reserved], [oldest, newest, 0]);
});

test('the only entry is newest and oldest at once, wherever it comes back to', (t) => {
  const {
    bag,
    entries: [only = new Entry()],
  } = bagWith(1);
  t.deepEqual([bag.newestIdle, bag.oldestIdle], [only, only]);
  bag.reserve(only);
  t.deepEqual([bag.newestIdle, bag.oldestIdle], [undefined, undefined]);
  bag.giveBackAsSpare(only);
  t.deepEqual([bag.newestIdle, bag.oldestIdle], [only, only]);
  t.is(bag.borrow(), only);
});

test('an idle or a leased entry can be reserved, once, and a reserved one can be removed', (t) => {
  const {
    bag,
    entries: [entry = new Entry()],
  } = bagWith(1);
  bag.reserve(entry);
  t.throws(() => bag.reserve(entry), { message: 'cannot reserve an entry that is reserved' });
  t.true(bag.remove(entry));
  t.deepEqual([bag.reserved, bag.size], [0, 0]);
  t.throws(() => bag.giveBackAsSpare(entry), { message: 'cannot give back an entry that is removed' });
  const leased = new Entry();
  bag.add(leased);
  bag.reserve(leased);
  t.deepEqual([bag.leased, bag.reserved, bag.size], [0, 1, 1]);
});

test('all entries can be gone through, whatever becomes of them meanwhile', (t) => {
  const { bag, entries } = bagWith(4);
  bag.borrow();
  bag.reserve(bag.newestIdle ?? new Entry());
  const all = bag.entries();
  t.deepEqual(new Set(all), new Set(entries));
  for (const entry of all) t.true(bag.remove(entry));
  t.deepEqual(bag.entries(), []);
});

test('it knows who came last', (t) => {
  const bag = new Bag<Entry, Waiter>();
  t.is(bag.lastWaiter, undefined);
  const waiters = [new Waiter(), new Waiter()];
  for (const waiter of waiters) bag.enqueue(waiter);
  t.is(bag.lastWaiter, waiters[1]);
  bag.dequeue();
  t.is(bag.lastWaiter, waiters[1]);
  bag.dequeue();
  t.is(bag.lastWaiter, undefined);
});
