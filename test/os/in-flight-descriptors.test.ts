import { closeSync, openSync } from 'node:fs';
import { fileIdentity, loadDescriptorCalls } from '../../src/os/descriptors.js';
import { InFlightDescriptors } from '../../src/os/in-flight-descriptors.js';
import { DescriptorLedger } from '../../src/os/descriptor-ledger.js';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const calls = loadDescriptorCalls();
const withFfi = testWhere(calls !== undefined, 'the C library', test.serial);

withFfi(
  'the pool’s thread closes a descriptor that the worker did not take, and leaves one that it took',
  (t) => {
    if (calls === undefined) return t.fail();
    const inFlight = new InFlightDescriptors(calls);
    const worker = new DescriptorLedger(inFlight.memory);
    const open = (): number => openSync('/dev/null', 'r');

    const declined = open();
    const slot = inFlight.add(declined);
    t.true(inFlight.end(slot));
    t.is(fileIdentity(declined), undefined, 'closed here');

    const used = open();
    const usedSlot = inFlight.add(used);
    t.is(worker.take(usedSlot), used);
    worker.settle(usedSlot);
    t.false(inFlight.end(usedSlot));
    t.not(fileIdentity(used), undefined, 'the worker’s to close');
    closeSync(used);
  },
);

withFfi(
  'the pool’s thread closes the descriptors that an ended worker left, but not another file under the same number',
  (t) => {
    if (calls === undefined) return t.fail();
    const inFlight = new InFlightDescriptors(calls);
    const worker = new DescriptorLedger(inFlight.memory);
    const [untaken, taken, wrapped] = [
      openSync('/dev/null', 'r'),
      openSync('/dev/null', 'r'),
      openSync('/dev/null', 'r'),
    ];
    const slots = [untaken, taken, wrapped].map((descriptor) => inFlight.add(descriptor));
    worker.take(slots[1] ?? -1);
    worker.take(slots[2] ?? -1);
    // Node closed the socket of the third one, and its number was given to another file.
    closeSync(wrapped);
    const other = openSync('/dev/zero', 'r');
    t.is(other, wrapped);
    inFlight.reclaimAll();
    t.is(fileIdentity(untaken), undefined);
    t.is(fileIdentity(taken), undefined);
    t.not(fileIdentity(other), undefined);
    closeSync(other);
  },
);

withFfi(
  'descriptors for which there are no slots get new ones, and a slot that is free is used again',
  (t) => {
    if (calls === undefined) return t.fail();
    const inFlight = new InFlightDescriptors(calls);
    const worker = new DescriptorLedger(inFlight.memory);
    const room = worker.slots;
    const add = (): number => inFlight.add(openSync('/dev/null', 'r'));
    const slots = Array.from({ length: room + 1 }, add);
    t.is(worker.slots, 2 * room);
    t.is(new Set(slots).size, slots.length);
    for (const slot of slots) t.true(inFlight.end(slot));
    const again = Array.from({ length: room + 1 }, add);
    t.is(new Set([...again, ...slots]).size, slots.length);
    for (const slot of again) t.true(inFlight.end(slot));
  },
);
