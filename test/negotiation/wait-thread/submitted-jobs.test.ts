import type { Outcome } from '../../../src/negotiation/job.js';
import { SubmittedJob, SubmittedJobs } from '../../../src/negotiation/wait-thread/submitted-jobs.js';
import { SLOT_COUNT } from '../../../src/negotiation/wait-thread/thread-protocol.js';
import test from '../../helpers/sanitary.js';
import { handshakeJob } from '../drivers-kit.js';

const job = handshakeJob('/run/broker.sock', { roundTripTimeoutMs: 100 });

function submit(settle: (outcome: Outcome) => void = () => {}): SubmittedJob {
  return new SubmittedJob(job, settle);
}

test('jobs beyond the slots are queued, and have the slots of those that end in their order', (t) => {
  const jobs = new SubmittedJobs();
  const placed = Array.from({ length: SLOT_COUNT }, () => submit());
  for (const each of placed) t.true(jobs.add(each));
  t.is(new Set(placed.map(({ slot }) => slot)).size, SLOT_COUNT);
  const [first, left, second, last] = [submit(), submit(), submit(), submit()];
  for (const each of [first, left, second, last]) t.false(jobs.add(each));
  t.true(jobs.unqueue(left));
  t.false(jobs.unqueue(left), 'it is out already');
  for (const [ended, next] of [
    [placed[5], first],
    [placed[7], second],
  ] as const) {
    if (ended === undefined) return t.fail();
    const { slot } = ended;
    t.is(jobs.remove(ended), next);
    t.deepEqual([ended.slot, next.slot, jobs.at(slot)], [-1, slot, next]);
  }
  t.deepEqual(jobs.unqueueAll(), [last]);
  t.deepEqual(jobs.unqueueAll(), []);
  t.is(jobs.list().length, SLOT_COUNT);
});

test('a slot that is free is given away again, so that no job is queued while there is one', (t) => {
  const jobs = new SubmittedJobs();
  for (let round = 0; round < SLOT_COUNT + 1; round += 1) {
    const submitted = submit();
    if (!jobs.add(submitted)) return t.fail(`job ${round} is queued`);
    t.is(jobs.remove(submitted), undefined);
  }
  t.deepEqual(jobs.list(), []);
});

test('a job is settled once, and lets the process end then', (t) => {
  const codes: string[] = [];
  let lettingGo = 0;
  const submitted = submit((outcome) => {
    if (outcome.kind === 'failed') codes.push(outcome.failure.code);
  });
  submitted.letGo = () => (lettingGo += 1);
  submitted.expire();
  t.true(submitted.settled);
  submitted.abandon();
  t.deepEqual([codes, lettingGo], [['TIMEOUT'], 1]);
});
