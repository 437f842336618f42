import { DescriptorLedger } from '../../src/os/descriptor-ledger.js';
import test from '../helpers/sanitary.js';

test('either the worker or the pool’s thread takes an offered descriptor, and only once', (t) => {
  const ledger = new DescriptorLedger();
  ledger.offer(3, 0);
  t.is(ledger.take(3), 0, 'descriptor 0 is one like any other');
  t.is(ledger.take(3), undefined);
  t.is(ledger.takeBack(3), undefined, 'the worker is about to make a socket of it');
  t.false(ledger.isEmpty(3));
  ledger.settle(3);
  t.true(ledger.isEmpty(3));
  t.is(ledger.reclaim(3), undefined);

  ledger.offer(3, 17);
  t.is(ledger.takeBack(3), 17);
  t.is(ledger.take(3), undefined);
});

test('the pool’s thread takes back a descriptor that the worker has put back', (t) => {
  const ledger = new DescriptorLedger();
  ledger.offer(0, 5);
  t.is(ledger.take(0), 5);
  ledger.offer(0, 5);
  t.is(ledger.takeBack(0), 5);
});

test('the pool’s thread reclaims the descriptors of an ended worker, and learns which the worker had taken', (t) => {
  const ledger = new DescriptorLedger();
  ledger.offer(0, 5);
  ledger.offer(1, 6);
  ledger.take(1);
  t.deepEqual(ledger.reclaim(0), { descriptor: 5, taken: false });
  t.deepEqual(ledger.reclaim(1), { descriptor: 6, taken: true });
  t.deepEqual([ledger.reclaim(0), ledger.reclaim(1)], [undefined, undefined]);
});

test('a worker frees the descriptors that are still on offer, and no others', (t) => {
  const ledger = new DescriptorLedger();
  ledger.offer(0, 5);
  ledger.offer(7, 6);
  ledger.offer(8, 7);
  ledger.takeBack(8);
  const freed: number[] = [];
  ledger.takeRest((descriptor) => freed.push(descriptor));
  t.deepEqual(freed, [5, 6]);
  t.deepEqual([ledger.reclaim(0), ledger.reclaim(7)], [undefined, undefined]);
});

test('both sides see the slots that one side has added, and a slot outside of them throws', (t) => {
  const near = new DescriptorLedger();
  const far = new DescriptorLedger(near.memory);
  const { slots } = near;
  t.throws(() => near.offer(slots, 9), { instanceOf: RangeError });
  near.grow();
  t.deepEqual([near.slots, far.slots], [2 * slots, 2 * slots]);
  near.offer(slots, 9);
  t.is(far.take(slots), 9);
});

test.serial(
  'a side does not take a descriptor that the other side takes between its look and its change',
  (t) => {
    const near = new DescriptorLedger();
    const far = new DescriptorLedger(near.memory);
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
