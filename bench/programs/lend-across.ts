/**
 * One turn of a bench of a shared pool, in a process of its own: the pool is in the main thread, its callers
 * are in another one, or beside it.
 */
import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { BrokerPool, connectSharedPool, type Lease } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { timeBatches, type Work } from '../harness/batches.js';
import { sendAnswer } from '../harness/child.js';
import { processorTime } from '../harness/processor-time.js';

/** Callers of one thread. */
export interface Situation {
  readonly callers: number;
  /** Each lease asks the backend for an echo; with `message`, the caller keeps a lease for it. */
  readonly echoes: boolean;
}

/** The task of one turn, whose answer is nanoseconds for each situation. */
export interface AcrossTask {
  /** `message` goes to the pool's thread and back, `across` is a shared pool, `beside` the pool itself. */
  readonly way: 'message' | 'across' | 'beside';
  readonly situations: readonly Situation[];
  readonly target: TestTarget;
  /** What is measured, of all threads together. @default the time that passes */
  readonly unit?: 'processor time';
}

interface Across extends AcrossTask {
  readonly port: MessagePort;
  /** Every message to it comes back. */
  readonly mirror: MessagePort;
}

const WORD = Buffer.from('0123456789abcdef');

/** Asks for an echo, with as little code of the bench as possible. */
function askEcho({ socket }: Lease): Promise<void> {
  return new Promise((resolve) => {
    socket.once('data', (answer: Buffer) => {
      assert.equal(answer.length, WORD.length);
      resolve();
    });
    socket.write(WORD);
  });
}

interface Source {
  acquire(): Promise<Lease>;
}

type Measure = (callers: number, work: Work) => Promise<number>;

/** An operation costs ten times as much before V8 has compiled it, in both threads. */
const WARM_UP_TIMES = 5_000;

const timeProcessor: Measure = (callers, work) =>
  processorTime(work, { callers, warmUpTimes: WARM_UP_TIMES });

async function lend(source: Source, { callers, echoes }: Situation, timeWork: Measure): Promise<number> {
  const leases = await Promise.all(Array.from({ length: callers }, () => source.acquire()));
  await Promise.all(leases.map(askEcho));
  for (const lease of leases) lease.release();
  return await timeWork(callers, async (times) => {
    for (let time = 0; time < times; time++) {
      const lease = await source.acquire();
      if (echoes) await askEcho(lease);
      lease.release();
    }
  });
}

/** Messages there and back, as many at once as there are callers. */
async function mirror(
  source: Source,
  { callers, echoes }: Situation,
  port: MessagePort,
  timeWork: Measure,
): Promise<number> {
  const lease = await source.acquire();
  const waiting: (() => void)[] = [];
  const onAnswer = (): void => waiting.shift()?.();
  port.on('message', onAnswer);
  const nanoseconds = await timeWork(callers, async (times) => {
    for (let time = 0; time < times; time++) {
      const answered = new Promise<void>((resolve) => waiting.push(resolve));
      port.postMessage({ kind: 'acquire', acquireId: time });
      await answered;
      if (echoes) await askEcho(lease);
    }
  });
  port.off('message', onAnswer);
  lease.release();
  return nanoseconds;
}

async function each(
  situations: readonly Situation[],
  measureOne: (situation: Situation) => Promise<number>,
): Promise<number[]> {
  const all: number[] = [];
  for (const situation of situations) all.push(await measureOne(situation));
  return all;
}

async function measureAcross({ way, situations, port, mirror: far, unit }: Across): Promise<number[]> {
  await using shared = await connectSharedPool(port);
  const timeWork = unit === undefined ? timeBatches : timeProcessor;
  return await each(situations, (situation) =>
    way === 'message' ? mirror(shared, situation, far, timeWork) : lend(shared, situation, timeWork),
  );
}

async function measure(task: AcrossTask): Promise<number[]> {
  const { situations, target, way } = task;
  const max = Math.max(...situations.map(({ callers }) => callers));
  const pool = new BrokerPool({ ...target, max, idleTimeoutMs: Infinity, maxLifetimeMs: Infinity });
  if (way === 'beside') return await each(situations, (situation) => lend(pool, situation, timeBatches));
  const { port1, port2 } = new MessageChannel();
  port1.on('message', (message) => port1.postMessage(message));
  const port = pool.share();
  const across: Across = { ...task, port, mirror: port2 };
  const worker = new Worker(new URL(import.meta.url), { workerData: across, transferList: [port, port2] });
  const [nanoseconds] = await once(worker, 'message');
  return nanoseconds;
}

if (isMainThread) {
  const task: AcrossTask = JSON.parse(process.argv[2] ?? '');
  await sendAnswer(await measure(task));
} else {
  const task: Across = workerData;
  parentPort?.postMessage(await measureAcross(task));
}
