import { closeSync, openSync } from 'node:fs';
import { fileIdentity, loadDescriptorCalls } from '../../../../src/os/descriptors.js';
import { InFlightDescriptors } from '../../../../src/pool/sharing/host/in-flight-descriptors.js';
import { DescriptorLedger, PAGE_SLOTS } from '../../../../src/pool/sharing/ledger.js';
import test from '../../../helpers/sanitary.js';
import { testWhere } from '../../../helpers/test-where.js';

const calls = loadDescriptorCalls();
const withFfi = testWhere(calls !== undefined, 'the C library', test.serial);

withFfi(
  'the pool’s thread closes a descriptor that the worker did not take, and leaves one that it took',
  (t) => {
    if (calls === undefined) return t.fail();
    const pages: SharedArrayBuffer[] = [];
    const inFlight = new InFlightDescriptors(calls, (page) => pages.push(page));
    const worker = new DescriptorLedger();
    const open = (): number => openSync('/dev/null', 'r');

    const declined = open();
    const slot = inFlight.add(declined);
    t.is(pages.length, 1);
    for (const page of pages) worker.addPage(page);
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
    const pages: SharedArrayBuffer[] = [];
    const inFlight = new InFlightDescriptors(calls, (page) => pages.push(page));
    const worker = new DescriptorLedger();
    const [untaken, taken, wrapped] = [
      openSync('/dev/null', 'r'),
      openSync('/dev/null', 'r'),
      openSync('/dev/null', 'r'),
    ];
    const slots = [untaken, taken, wrapped].map((descriptor) => inFlight.add(descriptor));
    for (const page of pages) worker.addPage(page);
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

withFfi('a descriptor for which there is no slot gets one on a new page', (t) => {
  if (calls === undefined) return t.fail();
  let pages = 0;
  const inFlight = new InFlightDescriptors(calls, () => (pages += 1));
  const slots = Array.from({ length: PAGE_SLOTS + 1 }, () => inFlight.add(openSync('/dev/null', 'r')));
  t.is(pages, 2);
  t.is(new Set(slots).size, slots.length);
  for (const slot of slots) t.true(inFlight.end(slot));
  for (const slot of slots) t.true(slot < 2 * PAGE_SLOTS);
});
