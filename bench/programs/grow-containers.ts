/** The same for the containers alone, which hold more than any process has descriptors for. */
import { EntryList, type ListEntry, LinkedQueue, type QueueItem } from '../../src/pool/containers.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { FEWEST_ROUNDS, rotated } from '../harness/rounds.js';
import type { Grown, GrowTask } from './grow.js';

class Entry implements ListEntry<Entry> {
  state: ListEntry<Entry>['state'] = 'new';
  newer: Entry | undefined;
  older: Entry | undefined;
}

class Waiter implements QueueItem<Waiter> {
  next: Waiter | undefined;
  previous: Waiter | undefined;
}

interface Containers {
  readonly list: EntryList<Entry>;
  readonly queue: LinkedQueue<Waiter>;
}

function filled(size: number, kind: GrowTask['kind']): Containers {
  const list = new EntryList<Entry>();
  const queue = new LinkedQueue<Waiter>();
  const entries = Array.from({ length: size }, () => new Entry());
  for (const entry of entries) list.add(entry);
  for (const entry of entries) list.makeIdle(entry);
  if (kind === 'waiting') for (let index = 0; index < size; index++) queue.push(new Waiter());
  return { list, queue };
}

function leaseAndRelease({ list }: Containers, times: number): void {
  for (let time = 0; time < times; time++) {
    const entry = list.leaseNewest();
    if (entry !== undefined) list.makeIdle(entry);
  }
}

/**
 * The first one goes to the end of the queue, and one gives up in the middle: no new objects, whose
 * collection would be timed too.
 */
function goRound({ queue }: Containers, times: number): void {
  const givesUp = new Waiter();
  for (let time = 0; time < times; time++) {
    queue.push(givesUp);
    const first = queue.shift();
    if (first !== undefined) queue.push(first);
    queue.remove(givesUp);
  }
}

function newGrown(size: number): Grown {
  return { who: 'ours', size, rounds: [] };
}

async function measure({ sizes, kind, rounds, budgetMs }: Omit<GrowTask, 'target'>): Promise<Grown[]> {
  const operate = kind === 'idle' ? leaseAndRelease : goRound;
  const filledContainers = sizes.map((size) => ({ containers: filled(size, kind), grown: newGrown(size) }));
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - startedMs > budgetMs) break;
    for (const { containers, grown } of rotated(filledContainers, round))
      grown.rounds.push(await timeBatches(1, async (times) => operate(containers, times), round > 0));
  }
  return filledContainers.map(({ grown }) => grown);
}

const task: Omit<GrowTask, 'target'> = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
