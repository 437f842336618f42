import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  CloseObligation,
  SharedThreadState,
  SLOT_COUNT,
} from '../../../src/negotiation/wait-thread/thread-protocol.js';
import test from '../../helpers/sanitary.js';

const NEGOTIATOR = new URL('../../../workers/negotiator.js', import.meta.url);
const LIMIT_MS = 60_000;

const OBLIGATIONS = Object.values(CloseObligation);

test('the ledger gives back what each slot owns, once, with its obligation', (t) => {
  const shared = new SharedThreadState();
  const owned = [0, 1, 77, SLOT_COUNT - 1].flatMap((slot, index) =>
    OBLIGATIONS.map((obligation) => ({ slot, descriptor: index, obligation })),
  );
  for (const { slot, descriptor, obligation } of owned) {
    shared.own(slot, descriptor, obligation);
    t.deepEqual(new SharedThreadState(shared.buffer).takeOver(slot), { descriptor, obligation });
    t.is(shared.takeOver(slot), undefined);
  }
});

test('a slot awaits a reply while its descriptor has an obligation, not in a handoff wait or when it is empty', (t) => {
  const shared = new SharedThreadState();
  t.false(shared.awaitsReply(3));
  for (const obligation of OBLIGATIONS) {
    shared.own(3, 20, obligation);
    t.is(shared.awaitsReply(3), obligation !== CloseObligation.NONE, String(obligation));
  }
  shared.own(3, 20, CloseObligation.READ_REPLY);
  t.false(shared.awaitsReply(4));
  shared.disown(3);
  t.false(shared.awaitsReply(3));
  t.is(shared.takeOver(3), undefined);
});

test('a sleep is past the deadlines before its end, in whole milliseconds', (t) => {
  const shared = new SharedThreadState();
  shared.announceSleep(1_000.5);
  t.true(shared.sleepsPast(1_000));
  t.false(shared.sleepsPast(1_000.2));
  t.false(shared.sleepsPast(1_001));
});

test('a library is not loaded after a stop was requested, and the state says so while it loads', (t) => {
  const shared = new SharedThreadState();
  t.false(shared.loading);
  shared.beginStart();
  t.true(shared.loading);
  t.is(
    shared.load(() => shared.loading),
    true,
  );
  t.false(shared.loading);
  t.throws(
    () =>
      shared.load(() => {
        throw new Error('no library');
      }),
    { message: 'no library' },
  );
  t.false(shared.loading, 'a load that failed is over');
  shared.requestStop();
  t.is(
    shared.load(() => 'loaded'),
    undefined,
  );
  shared.beginStart();
  shared.giveUpStart();
  t.false(shared.loading);
  shared.beginStart();
  shared.endStart();
  t.false(shared.loading);
});

test('the end of a process waits for the modules of a thread, and no longer', async (t) => {
  const shared = new SharedThreadState();
  shared.beginStart();
  const worker = new Worker(NEGOTIATOR, { workerData: shared.buffer });
  const ended = once(worker, 'exit');
  const beganMs = performance.now();
  shared.awaitLoaded(LIMIT_MS);
  t.false(shared.loading);
  t.true(performance.now() - beganMs < LIMIT_MS);
  await ended;
});
