/**
 * Holds idle connections, says what they cost in memory, and then does nothing until its standard input ends.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { BrokerPool } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { nativeBytes } from '../harness/native-memory.js';
import { loadBuild, THIS_BUILD } from '../peers/build.js';

/** The program's task. */
export interface HoldTask {
  readonly who: 'pool' | 'bare';
  readonly target: TestTarget;
  readonly backendEndpoint: string;
  readonly connections: number;
  /** Makes the pool start its wait thread, which then has nothing to do. */
  readonly parksThread: boolean;
  /** The URL of the build whose pool is meant. @default this one */
  readonly build?: string;
}

/** Bytes for each connection. */
export interface HoldAnswer {
  /** In V8's heap. */
  readonly heap: number;
  /** With what native code holds for them, where the C library tells. */
  readonly all: number | null;
}

const OPEN_AT_ONCE = 50;
/** Opened before anything is weighed: what loads while they open is no part of a connection. */
const OPENED_FIRST = 500;

const task: HoldTask = JSON.parse(process.argv[2] ?? '');
/** Referenced, so that the collector leaves it. */
const held: (Socket | BrokerPool)[] = [];

async function openPool({
  target,
  connections,
  parksThread,
  build = THIS_BUILD,
}: HoldTask): Promise<() => Promise<void>> {
  const { BrokerPool } = await loadBuild(build);
  // The wait for a handoff is the thread's, also where none is offered.
  const pool = new BrokerPool({
    ...target,
    max: connections,
    maxConnecting: OPEN_AT_ONCE,
    adoptHandedOffConnection: parksThread,
  });
  held.push(pool);
  const openUntil = async (count: number): Promise<void> => {
    const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
    for (const lease of leases) lease.release();
    if (pool.stats().idle !== count) throw new Error(`${pool.stats().idle} connections are idle`);
  };
  await openUntil(OPENED_FIRST);
  return () => openUntil(connections);
}

async function openBare({ backendEndpoint, connections }: HoldTask): Promise<() => Promise<void>> {
  const { connect } = await import('node:net');
  const open = async (): Promise<void> => {
    const socket = connect(backendEndpoint);
    held.push(socket);
    await once(socket, 'connect');
  };
  const openUntil = async (count: number): Promise<void> => {
    for (let opened = held.length; opened < count; opened = held.length)
      await Promise.all(Array.from({ length: Math.min(OPEN_AT_ONCE, count - opened) }, open));
  };
  await openUntil(OPENED_FIRST);
  return () => openUntil(connections);
}

/** After several collections, with a pause for what the sockets do in later turns. */
async function settledMemory(): Promise<{ heap: number; native: number | undefined }> {
  for (let time = 0; time < 5; time++) {
    await delay(50);
    globalThis.gc?.();
  }
  const { heapUsed } = process.memoryUsage();
  return { heap: heapUsed, native: nativeBytes() };
}

const openOthers = await (task.who === 'pool' ? openPool(task) : openBare(task));
const before = await settledMemory();
await openOthers();
const after = await settledMemory();
const heap = (after.heap - before.heap) / (task.connections - OPENED_FIRST);
const native =
  after.native === undefined || before.native === undefined
    ? undefined
    : (after.native - before.native) / (task.connections - OPENED_FIRST);
const answer: HoldAnswer = { heap, all: native === undefined ? null : heap + native };
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
process.exit(held.length === 0 ? 1 : 0);
