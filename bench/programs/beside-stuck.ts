/** Negotiations of one caller in a process that already holds many waits for replies that never come. */
import { BrokerPool } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';

/** The task of one turn. */
export interface StuckTask {
  readonly target: TestTarget;
  readonly stuck: number;
  readonly connects: number;
}

const LIMIT_MS = 600_000;

async function measure({ target, stuck, connects }: StuckTask): Promise<number[]> {
  // One pool: the waits that are stuck and those that are timed are held by the same thread.
  const pool = new BrokerPool({
    ...target,
    max: 1,
    endpointCache: false,
    roundTripTimeoutMs: LIMIT_MS,
    acquireTimeoutMs: LIMIT_MS,
  });
  const held = Array.from({ length: stuck }, (_, index) => pool.acquire({ serviceName: `stuck-${index}` }));
  const outcomes = Promise.allSettled(held);
  const connect = async (): Promise<() => void> => {
    const lease = await pool.acquire();
    return () => lease.destroy();
  };
  for (let time = 0; time < connects / 4; time++) (await connect())();
  const samplesNs: number[] = [];
  for (let time = 0; time < connects; time++) {
    const beginNs = process.hrtime.bigint();
    const close = await connect();
    samplesNs.push(Number(process.hrtime.bigint() - beginNs));
    close();
  }
  const waiting = pool.stats().waiting;
  if (waiting !== stuck) throw new Error(`${waiting} waits were stuck and not ${stuck}`);
  await pool.destroy();
  await outcomes;
  return samplesNs;
}

const task: StuckTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
