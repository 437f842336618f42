import { closeSync, openSync } from 'node:fs';
import { fileIdentity, loadDescriptorCalls } from '../../../src/os/descriptors.js';
import { DescriptorLedger, newPage, PAGE_SLOTS } from '../../../src/pool/sharing/ledger.js';
import { Offers } from '../../../src/pool/sharing/offers.js';
import test from '../../helpers/sanitary.js';

const calls = loadDescriptorCalls();
const withFfi = calls === undefined ? test.skip : test.serial;

function openLedger(): DescriptorLedger {
  const ledger = new DescriptorLedger();
  ledger.addPage(newPage());
  return ledger;
}

test('what is offered is taken once, by the worker or by the pool’s thread', (t) => {
  const ledger = openLedger();
  ledger.offer(3, 0);
  t.is(ledger.take(3), 0, 'descriptor 0 is one like any other');
  t.is(ledger.take(3), undefined);
  t.is(ledger.takeBack(3), undefined, 'the worker is about to make a socket of it');
  t.false(ledger.isEmpty(3));
  ledger.settle(3);
  t.true(ledger.isEmpty(3));
  t.is(ledger.bury(3), undefined);

  ledger.offer(3, 17);
  t.is(ledger.takeBack(3), 17);
  t.is(ledger.take(3), undefined);
});

test('what the worker could not use is the pool’s again', (t) => {
  const ledger = openLedger();
  ledger.offer(0, 5);
  t.is(ledger.take(0), 5);
  ledger.putBack(0, 5);
  t.is(ledger.takeBack(0), 5);
});

test('of a worker that is gone it is known what it had taken, and what not', (t) => {
  const ledger = openLedger();
  ledger.offer(0, 5);
  ledger.offer(1, 6);
  ledger.take(1);
  t.deepEqual(ledger.bury(0), { descriptor: 5, taken: false });
  t.deepEqual(ledger.bury(1), { descriptor: 6, taken: true });
  t.deepEqual([ledger.bury(0), ledger.bury(1)], [undefined, undefined]);
});

test('a worker whose pool’s thread is gone frees what is still on offer, and nothing else', (t) => {
  const ledger = openLedger();
  ledger.offer(0, 5);
  ledger.offer(7, 6);
  ledger.offer(8, 7);
  ledger.takeBack(8);
  const freed: number[] = [];
  ledger.takeRest((descriptor) => freed.push(descriptor));
  t.deepEqual(freed, [5, 6]);
  t.deepEqual([ledger.bury(0), ledger.bury(7)], [undefined, undefined]);
});

test('both sides see the same pages, and a slot outside of them is a mistake', (t) => {
  const [near, far] = [new DescriptorLedger(), new DescriptorLedger()];
  const pages = [newPage(), newPage()];
  for (const page of pages) for (const side of [near, far]) side.addPage(page);
  near.offer(PAGE_SLOTS + 1, 9);
  t.is(far.take(PAGE_SLOTS + 1), 9);
  t.throws(() => near.take(2 * PAGE_SLOTS), { instanceOf: RangeError });
});

withFfi('each offered descriptor is closed by one side only', (t) => {
  if (calls === undefined) return t.fail();
  const pages: SharedArrayBuffer[] = [];
  const offers = new Offers(calls, (page) => pages.push(page));
  const worker = new DescriptorLedger();
  const open = (): number => openSync('/dev/null', 'r');

  const declined = open();
  const slot = offers.add(declined);
  t.is(pages.length, 1);
  for (const page of pages) worker.addPage(page);
  t.true(offers.end(slot));
  t.is(fileIdentity(declined), undefined, 'closed here');

  const used = open();
  const usedSlot = offers.add(used);
  t.is(worker.take(usedSlot), used);
  worker.settle(usedSlot);
  t.false(offers.end(usedSlot));
  t.not(fileIdentity(used), undefined, 'the worker’s to close');
  closeSync(used);
});

withFfi('what a dead worker left is closed, and nothing else that has got its number since', (t) => {
  if (calls === undefined) return t.fail();
  const pages: SharedArrayBuffer[] = [];
  const offers = new Offers(calls, (page) => pages.push(page));
  const worker = new DescriptorLedger();
  const [untaken, taken, wrapped] = [
    openSync('/dev/null', 'r'),
    openSync('/dev/null', 'r'),
    openSync('/dev/null', 'r'),
  ];
  const slots = [untaken, taken, wrapped].map((descriptor) => offers.add(descriptor));
  for (const page of pages) worker.addPage(page);
  worker.take(slots[1] ?? -1);
  worker.take(slots[2] ?? -1);
  // Node closed the socket of the third one, and its number was given to another file.
  closeSync(wrapped);
  const other = openSync('/dev/zero', 'r');
  t.is(other, wrapped);
  offers.bury();
  t.is(fileIdentity(untaken), undefined);
  t.is(fileIdentity(taken), undefined);
  t.not(fileIdentity(other), undefined);
  closeSync(other);
});

withFfi('there is always a slot for one more', (t) => {
  if (calls === undefined) return t.fail();
  let pages = 0;
  const offers = new Offers(calls, () => (pages += 1));
  const slots = Array.from({ length: PAGE_SLOTS + 1 }, () => offers.add(openSync('/dev/null', 'r')));
  t.is(pages, 2);
  t.is(new Set(slots).size, slots.length);
  for (const slot of slots) t.true(offers.end(slot));
  for (const slot of slots) t.true(slot < 2 * PAGE_SLOTS);
});

test.serial(
  'a descriptor that the other thread takes between the look and the change is not taken again',
  (t) => {
    const [near, far] = [new DescriptorLedger(), new DescriptorLedger()];
    const page = newPage();
    for (const side of [near, far]) side.addPage(page);
    const { load } = Atomics;
    t.teardown(() => Object.assign(Atomics, { load }));
    const taken: (number | undefined)[] = [];
    /** The next look of one side sees the word as it was before the other side changed it. */
    const raceWith = (change: () => number | undefined): void => {
      const lookThenChange = (words: Int32Array, index: number): number => {
        const word = load(words, index);
        Object.assign(Atomics, { load });
        taken.push(change());
        return word;
      };
      Object.assign(Atomics, { load: lookThenChange });
    };
    near.offer(3, 17);
    raceWith(() => near.takeBack(3));
    t.is(far.take(3), undefined);
    near.offer(3, 18);
    raceWith(() => far.take(3));
    t.is(near.takeBack(3), undefined);
    t.deepEqual(taken, [17, 18]);
  },
);
