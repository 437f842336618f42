import { EntryList, type ListEntry } from '../../src/pool/containers.js';
import test from '../helpers/sanitary.js';

class Entry implements ListEntry<Entry> {
  state: ListEntry<Entry>['state'] = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
}

function listWith(count: number): { list: EntryList<Entry>; entries: Entry[] } {
  const list = new EntryList<Entry>();
  const entries = Array.from({ length: count }, () => new Entry());
  for (const entry of entries) {
    list.add(entry);
    list.makeIdle(entry);
  }
  return { list, entries };
}

test('an empty list leases nothing', (t) => {
  const list = new EntryList<Entry>();
  t.is(list.leaseNewest(), undefined);
  t.deepEqual([...list.idleEntries()], []);
  t.deepEqual([list.idle, list.leased, list.size], [0, 0, 0]);
});

test('a new entry comes in as leased', (t) => {
  const list = new EntryList<Entry>();
  const entry = new Entry();
  list.add(entry);
  t.is(entry.state, 'leased');
  t.deepEqual([list.idle, list.leased, list.size], [0, 1, 1]);
  t.is(list.leaseNewest(), undefined);
});

test('the entry that became idle last is leased first', (t) => {
  const { list, entries } = listWith(3);
  t.deepEqual([...list.idleEntries()], entries);
  t.is(list.leaseNewest(), entries[2]);
  t.is(list.leaseNewest(), entries[1]);
  t.is(list.leaseNewest(), entries[0]);
});

test('a removed entry is not leased, whether it was oldest, between or newest', (t) => {
  for (const place of [0, 1, 2]) {
    const { list, entries } = listWith(3);
    const entry = entries[place] ?? new Entry();
    t.true(list.remove(entry));
    t.is(entry.state, 'removed');
    t.deepEqual([...list.idleEntries()], entries.toSpliced(place, 1));
    t.is(list.size, 2);
  }
});

test('an idle or leased entry can be removed, once', (t) => {
  const { list } = listWith(1);
  const entry = list.leaseNewest() ?? new Entry();
  t.true(list.remove(entry));
  t.false(list.remove(entry));
  t.false(list.remove(new Entry()), 'was never in');
  t.deepEqual([list.idle, list.leased, list.size], [0, 0, 0]);
});

test("an operation that does not fit the entry's state throws and changes nothing", (t) => {
  const { list, entries } = listWith(1);
  const entry = entries[0] ?? new Entry();
  t.throws(() => list.add(entry), { message: 'cannot add an entry that is idle' });
  t.throws(() => list.makeIdle(entry), { message: 'cannot make an entry idle that is idle' });
  t.throws(() => list.makeIdle(new Entry()), { message: 'cannot make an entry idle that is new' });
  t.is(list.leaseNewest(), entry);
  t.throws(() => list.add(entry), { message: 'cannot add an entry that is leased' });
  list.remove(entry);
  t.throws(() => list.add(entry), { message: 'cannot add an entry that is removed' });
  t.throws(() => list.makeIdle(entry), { message: 'cannot make an entry idle that is removed' });
  t.is(list.size, 0);
});

test('the current entry may be removed while the idle ones are walked through', (t) => {
  const { list, entries } = listWith(4);
  const seen: Entry[] = [];
  for (const entry of list.idleEntries()) {
    seen.push(entry);
    list.remove(entry);
  }
  t.deepEqual(seen, entries);
  t.is(list.size, 0);
  t.is(list.leaseNewest(), undefined);
});

test('a removed entry has no links to others', (t) => {
  const { list, entries } = listWith(3);
  const middle = entries[1] ?? new Entry();
  list.remove(middle);
  t.deepEqual([middle.newer, middle.older], [undefined, undefined]);
});

test('a reserved entry counts, and cannot be leased', (t) => {
  const { list, entries } = listWith(2);
  const newest = entries[1] ?? new Entry();
  list.reserve(newest);
  t.is(newest.state, 'reserved');
  t.deepEqual([list.idle, list.leased, list.reserved, list.size], [1, 0, 1, 2]);
  t.deepEqual([...list.idleEntries()], [entries[0]]);
  t.is(list.leaseNewest(), entries[0]);
  t.is(list.leaseNewest(), undefined);
});

test('a reserved entry becomes idle as the newest, or as the oldest', (t) => {
  const { list, entries } = listWith(3);
  const [oldest = new Entry(), , newest = new Entry()] = entries;
  list.reserve(newest);
  list.makeIdleAsOldest(newest);
  t.deepEqual([...list.idleEntries()], [newest, oldest, entries[1]]);
  list.reserve(oldest);
  list.makeIdle(oldest);
  t.deepEqual([list.newestIdle, list.oldestIdle, list.reserved], [oldest, newest, 0]);
});

test('the only idle entry is newest and oldest at once', (t) => {
  const {
    list,
    entries: [only = new Entry()],
  } = listWith(1);
  t.deepEqual([list.newestIdle, list.oldestIdle], [only, only]);
  list.reserve(only);
  t.deepEqual([list.newestIdle, list.oldestIdle], [undefined, undefined]);
  list.makeIdleAsOldest(only);
  t.deepEqual([list.newestIdle, list.oldestIdle], [only, only]);
  t.is(list.leaseNewest(), only);
});

test('an idle or a leased entry can be reserved, once, and a reserved one can be removed', (t) => {
  const {
    list,
    entries: [entry = new Entry()],
  } = listWith(1);
  list.reserve(entry);
  t.throws(() => list.reserve(entry), { message: 'cannot reserve an entry that is reserved' });
  t.true(list.remove(entry));
  t.deepEqual([list.reserved, list.size], [0, 0]);
  t.throws(() => list.makeIdleAsOldest(entry), { message: 'cannot make an entry idle that is removed' });
  const leased = new Entry();
  list.add(leased);
  list.reserve(leased);
  t.deepEqual([list.leased, list.reserved, list.size], [0, 1, 1]);
});

test('entries() is a copy: its entries may be removed while it is walked through', (t) => {
  const { list, entries } = listWith(4);
  list.leaseNewest();
  list.reserve(list.newestIdle ?? new Entry());
  const all = list.entries();
  t.deepEqual(new Set(all), new Set(entries));
  for (const entry of all) t.true(list.remove(entry));
  t.deepEqual(list.entries(), []);
});
