import { Capacity, type CapacityUser } from '../../src/pool/capacity.js';
import test from '../helpers/sanitary.js';

/** A target as far as places go. What it holds is leased unless it is idle. */
class User implements CapacityUser {
  readonly #capacity: Capacity;
  held = 0;
  idle = 0;
  /** How many of them are connects under way. */
  connecting = 0;
  waiting = 0;
  /** Since when one is idle, if one is. */
  sinceMs = 0;
  /** How many of them it keeps open without a waiter. */
  minimum = 0;

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
    capacity.join(this);
  }

  get spare(): number {
    return this.idle + this.connecting;
  }

  get idleSinceMs(): number {
    return this.idle > 0 ? this.sinceMs : Infinity;
  }

  yieldConnect(): boolean {
    if (this.connecting === 0) return false;
    this.connecting -= 1;
    this.#lose();
    return true;
  }

  evictIdle(): boolean {
    if (this.idle === 0) return false;
    this.idle -= 1;
    this.#lose();
    return true;
  }

  pump(): void {
    while (this.waiting > 0 && this.open());
    while (this.held < this.minimum && this.#capacity.takeSpare(this)) {
      this.held += 1;
      this.idle += 1;
    }
  }

  /** Opens a connection for the caller who waits first. */
  open(): boolean {
    if (!this.#capacity.take(this)) return false;
    this.held += 1;
    this.waiting -= 1;
    return true;
  }

  /** A caller asks for a connection. */
  ask(): void {
    this.waiting += 1;
    this.open();
  }

  /** A leased connection comes back. Returns whether it was given away. */
  comeBack(): boolean {
    if (this.#capacity.shouldYield(this)) {
      this.#lose();
      if (this.waiting > 0) this.open();
      return true;
    }
    if (this.waiting > 0) this.waiting -= 1;
    else this.idle += 1;
    return false;
  }

  /** A leased connection closes. */
  close(): void {
    this.#lose();
  }

  #lose(): void {
    this.held -= 1;
    this.#capacity.release();
  }
}

function users(max: number, count: number): { capacity: Capacity; all: User[] } {
  const capacity = new Capacity(max);
  return { capacity, all: Array.from({ length: count }, () => new User(capacity)) };
}

test('a target can have the free slots, and those of idle connections of targets without callers', (t) => {
  const capacity = new Capacity(5);
  const one = new User(capacity);
  const other = new User(capacity);
  t.is(capacity.availableFor(one), 5);
  for (const user of [other, other, other, one]) user.ask();
  t.is(capacity.availableFor(one), 1);
  other.idle = 2;
  t.deepEqual([capacity.availableFor(one), capacity.availableFor(other)], [3, 1]);
  other.waiting = 1;
  t.is(capacity.availableFor(one), 1);
});

test('a capacity of two gives two places and no more', (t) => {
  const {
    capacity,
    all: [user],
  } = users(2, 1);
  for (let time = 0; time < 5; time++) user?.ask();
  t.is(capacity.used, 2);
  t.like(user, { held: 2, waiting: 3 });
});

test('an idle connection of a target without callers makes room at once', (t) => {
  const {
    capacity,
    all: [rich, poor],
  } = users(2, 2);
  rich?.ask();
  rich?.ask();
  rich?.comeBack();
  poor?.ask();
  t.like(rich, { held: 1, idle: 0 });
  t.like(poor, { held: 1, waiting: 0 });
  t.is(capacity.used, 2);
});

test('an idle connection of a target whose callers wait is left alone', (t) => {
  const {
    all: [rich, poor],
  } = users(1, 2);
  rich?.ask();
  rich?.comeBack();
  if (rich !== undefined) rich.waiting = 1;
  poor?.ask();
  t.like(rich, { held: 1, idle: 1 });
  t.is(poor?.waiting, 1);
});

test('a slot that comes back to a target without callers goes to the target in line', (t) => {
  const {
    all: [rich, poor],
  } = users(1, 2);
  rich?.ask();
  poor?.ask();
  t.true(rich?.comeBack());
  t.like(poor, { held: 1, waiting: 0 });
  t.is(rich?.held, 0);
});

test('a busy target gives away slots beyond its share, and keeps its share', (t) => {
  const {
    all: [busy, other],
  } = users(6, 2);
  for (let time = 0; time < 100; time++) busy?.ask();
  for (let time = 0; time < 100; time++) other?.ask();
  const given = Array.from({ length: 12 }, () => busy?.comeBack());
  t.deepEqual([busy?.held, other?.held], [3, 3]);
  t.is(given.filter(Boolean).length, 3);
});

test('when they are even, or differ by one, nothing goes back and forth', (t) => {
  const {
    capacity,
    all: [a, b],
  } = users(5, 2);
  for (let time = 0; time < 100; time++) a?.ask();
  for (let time = 0; time < 100; time++) b?.ask();
  for (let time = 0; time < 5; time++) a?.comeBack();
  const held = [a?.held, b?.held];
  const moved = Array.from({ length: 50 }, () => [a?.comeBack(), b?.comeBack()]).flat();
  t.deepEqual(moved.filter(Boolean), []);
  t.deepEqual([a?.held, b?.held], held);
  t.is(capacity.used, 5);
});

test('a busy target that stands in line itself does not starve those behind it', (t) => {
  const {
    all: [busy, other],
  } = users(4, 2);
  for (let time = 0; time < 100; time++) busy?.ask();
  other?.ask();
  for (let time = 0; time < 4; time++) busy?.comeBack();
  t.is(other?.held, 1);
});

test('one place goes round among all targets that want it', (t) => {
  const { all } = users(1, 4);
  for (const user of all) for (let time = 0; time < 10; time++) user.ask();
  const order: number[] = [];
  for (let time = 0; time < 12; time++) {
    const holder = all.findIndex((user) => user.held === 1);
    order.push(holder);
    all[holder]?.comeBack();
  }
  t.deepEqual(order, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
});

test('targets in line get the place of each connection that closes in turn', (t) => {
  const {
    capacity,
    all: [holder, one, other],
  } = users(1, 3);
  if (holder === undefined || one === undefined || other === undefined) return t.fail();
  for (const user of [holder, one, one, other, other]) user.ask();
  const turns: string[] = [];
  for (let closing = holder; turns.length < 4; closing = one.held > 0 ? one : other) {
    closing.close();
    t.is(capacity.used, 1);
    turns.push(one.held > 0 ? 'one' : 'other');
  }
  t.deepEqual(turns, ['one', 'other', 'one', 'other']);
});

test('each of many waiting targets is served within three returns per target', (t) => {
  // Many targets, each with more callers than the pool has places: how many returns pass until all have had
  // one.
  const { all } = users(8, 20);
  for (const user of all) for (let time = 0; time < 50; time++) user.ask();
  const served = new Set(all.filter((user) => user.held > 0));
  let returns = 0;
  while (served.size < all.length && returns < 200) {
    const holders = all.filter((user) => user.held > 0);
    holders[returns % holders.length]?.comeBack();
    for (const user of all) if (user.held > 0) served.add(user);
    returns += 1;
  }
  t.true(returns <= 3 * all.length, `${returns} returns`);
});

test('a target whose callers have been served otherwise is passed over', (t) => {
  const {
    all: [holder, gone, other],
  } = users(1, 3);
  holder?.ask();
  gone?.ask();
  other?.ask();
  if (gone !== undefined) gone.waiting = 0;
  t.true(holder?.comeBack());
  t.is(other?.held, 1);
});

test('a target that leaves the line gets nothing', (t) => {
  const {
    capacity,
    all: [holder, other],
  } = users(1, 2);
  holder?.ask();
  other?.ask();
  if (other !== undefined) capacity.leaveLine(other);
  t.false(holder?.comeBack());
  t.is(other?.held, 0);
});

test('a target that has left is in no line, and its connections are not counted as room for others', (t) => {
  const capacity = new Capacity(2);
  const stays = new User(capacity);
  for (const leaves of ['line', 'spare line', 'idle'] as const) {
    const user = new User(capacity);
    if (leaves === 'idle') {
      user.ask();
      user.idle = 1;
    } else {
      stays.ask();
      stays.ask();
      if (leaves === 'line') user.ask();
      else user.minimum = 1;
      user.pump();
    }
    capacity.leave(user);
    t.is(capacity.availableFor(stays), leaves === 'idle' ? 1 : 0, leaves);
    while (stays.held > 0) {
      t.false(stays.comeBack(), leaves);
      stays.evictIdle();
    }
    t.is(user.held, leaves === 'idle' ? 1 : 0, leaves);
  }
});

test('a spare slot is one that is free and that no target in line needs', (t) => {
  const {
    capacity,
    all: [holder, warm, waiting],
  } = users(2, 3);
  if (holder === undefined || warm === undefined || waiting === undefined) return t.fail();
  warm.minimum = 2;
  holder.ask();
  holder.ask();
  t.false(capacity.takeSpare(warm), 'none is free');
  waiting.ask();
  holder.comeBack();
  t.like(waiting, { held: 1 });
  t.is(warm.held, 0, 'callers come first');
});

test('a target below its minimum hears when there is room again', (t) => {
  const {
    capacity,
    all: [holder, warm],
  } = users(2, 2);
  if (holder === undefined || warm === undefined) return t.fail();
  warm.minimum = 2;
  warm.pump();
  t.is(warm.held, 2);
  holder.ask();
  holder.ask();
  t.is(warm.held, 0, 'evicted');
  holder.comeBack();
  holder.evictIdle();
  t.is(warm.held, 1);
  holder.comeBack();
  holder.evictIdle();
  t.like(warm, { held: 2, idle: 2 });
  t.is(capacity.used, 2);
});

test('the target without callers whose connection has been idle longest makes room, in any order of joining', (t) => {
  const {
    all: [hot, cold, coldest, waiting],
  } = users(3, 4);
  if (hot === undefined || cold === undefined || coldest === undefined || waiting === undefined)
    return t.fail();
  for (const [user, sinceMs] of [
    [hot, 30],
    [cold, 20],
    [coldest, 10],
  ] as const) {
    user.ask();
    user.comeBack();
    user.sinceMs = sinceMs;
  }
  waiting.ask();
  t.deepEqual([hot.idle, cold.idle, coldest.idle], [1, 1, 0]);
  waiting.ask();
  t.deepEqual([hot.idle, cold.idle, coldest.idle], [1, 0, 0]);
});

test('where nothing is idle, a connect that no caller waits for makes room', (t) => {
  const {
    capacity,
    all: [left, patient, waiting],
  } = users(2, 3);
  if (left === undefined || patient === undefined || waiting === undefined) return t.fail();
  for (const user of [left, patient]) {
    user.ask();
    user.connecting = 1;
  }
  patient.waiting = 1;
  t.is(capacity.availableFor(waiting), 1);
  waiting.ask();
  waiting.ask();
  t.deepEqual([left.held, patient.held, waiting.held, waiting.waiting], [0, 1, 1, 1]);
  t.is(capacity.used, 2);
});

test('a busy target keeps its place where the callers of the target in line have been served otherwise', (t) => {
  const {
    all: [busy, served],
  } = users(2, 2);
  for (let time = 0; time < 3; time++) busy?.ask();
  served?.ask();
  if (served !== undefined) served.waiting = 0;
  t.false(busy?.comeBack());
  t.deepEqual([busy?.held, busy?.waiting], [2, 0]);
});
