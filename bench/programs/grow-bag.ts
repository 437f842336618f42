/** The same for the container alone, which holds more than any process has descriptors for. */
import { Bag, type BagEntry, type BagWaiter } from '../../src/pool/bag.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { FEWEST_ROUNDS, rotated } from '../harness/rounds.js';
import type { Grown, GrowTask } from './grow.js';

class Entry implements BagEntry<Entry> {
  state: BagEntry<Entry>['state'] = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
  place = 0;
}

class Waiter implements BagWaiter<Waiter> {
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

function borrowAndGiveBack(bag: TestBag, times: number): void {
  for (let time = 0; time < times; time++) {
    const entry = bag.borrow();
    if (entry !== undefined) bag.giveBack(entry);
  }
}

/**
 * The first one goes to the end of the queue, and one gives up in the middle: no new objects, whose
 * collection would be timed too.
 */
function goRound(bag: TestBag, times: number): void {
  const givesUp = new Waiter();
  for (let time = 0; time < times; time++) {
    bag.enqueue(givesUp);
    const first = bag.dequeue();
    if (first !== undefined) bag.enqueue(first);
    bag.cancel(givesUp);
  }
}

function newGrown(size: number): Grown {
  return { who: 'ours', size, rounds: [] };
}

async function measure({ sizes, kind, rounds, budgetMs }: Omit<GrowTask, 'target'>): Promise<Grown[]> {
  const operate = kind === 'idle' ? borrowAndGiveBack : goRound;
  const bags = sizes.map((size) => ({ bag: filled(size, kind), grown: newGrown(size) }));
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - startedMs > budgetMs) break;
    for (const { bag, grown } of rotated(bags, round))
      grown.rounds.push(await timeBatches(1, async (times) => operate(bag, times)));
  }
  return bags.map(({ grown }) => grown);
}

const task: Omit<GrowTask, 'target'> = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
