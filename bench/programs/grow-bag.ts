/** The same for the container alone, which holds more than any process has descriptors for. */
import { Bag, type BagEntry, type BagWaiter } from '../../src/pool/bag.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { rotated } from '../harness/rounds.js';
import type { GrowAnswer, GrowTask } from './grow.js';

class Entry implements BagEntry<Entry> {
  state: BagEntry<Entry>['state'] = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
}

class Waiter implements BagWaiter<Waiter> {
  queued = false;
  next: Waiter | undefined;
  previous: Waiter | undefined;
}

type TestBag = Bag<Entry, Waiter>;

function filled(size: number, kind: GrowTask['kind']): TestBag {
  const bag: TestBag = new Bag();
  const entries = Array.from({ length: size }, () => new Entry());
  for (const entry of entries) bag.add(entry);
  for (const entry of entries) bag.giveBack(entry);
  if (kind === 'waiting') for (let index = 0; index < size; index++) bag.enqueue(new Waiter());
  return bag;
}

/** Borrows and gives back; or joins the queue, gives up in the middle of it, and lets the first one go. */
function operate(bag: TestBag, kind: GrowTask['kind'], times: number): void {
  for (let time = 0; time < times; time++) {
    if (kind === 'idle') {
      const entry = bag.borrow();
      if (entry !== undefined) bag.giveBack(entry);
      continue;
    }
    const givesUp = new Waiter();
    bag.enqueue(givesUp);
    bag.enqueue(new Waiter());
    bag.cancel(givesUp);
    bag.dequeue();
  }
}

async function measure({ sizes, kind, rounds }: Omit<GrowTask, 'target'>): Promise<GrowAnswer> {
  const bags = sizes.map((size) => ({ size, bag: filled(size, kind) }));
  const answer: Record<number, number[]> = Object.fromEntries(sizes.map((size) => [size, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { size, bag } of rotated(bags, round)) {
      answer[size]?.push(await timeBatches(async (operations) => operate(bag, kind, operations)));
    }
  }
  return answer;
}

const task: Omit<GrowTask, 'target'> = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
