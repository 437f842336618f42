/** Makes requests that are not answered, and says what they cost in memory. */
import { setTimeout as delay } from 'node:timers/promises';
import { openSession, type Session } from '../../src/frames/index.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import { sendAnswer } from '../harness/child.js';
import { nativeBytes } from '../harness/native-memory.js';

/** The program's task. */
export interface HoldRequestsTask {
  readonly who: 'sent' | 'waiting' | 'payloads';
  readonly endpoint: string;
  readonly requests: number;
  /** Bytes of a payload. */
  readonly bytes: number;
}

/** Bytes that each request holds, payload included. */
export interface HoldRequestsAnswer {
  readonly bytesEach: number;
}

const CONNECTIONS = 4;
const task: HoldRequestsTask = JSON.parse(process.argv[2] ?? '');
/** Referenced, so that the collector leaves it. */
const held: (Promise<Uint8Array> | Uint8Array)[] = [];

function hold(session: Session | undefined, count: number): void {
  for (let index = 0; index < count; index++) {
    if (session === undefined) {
      held.push(Buffer.alloc(task.bytes, 1));
      continue;
    }
    const answer = session.request(Buffer.alloc(task.bytes, 1));
    // Fails when the process ends.
    answer.catch(() => {});
    held.push(answer);
  }
}

/** After several collections, with a pause for what the sockets do in later turns. */
async function settledBytes(): Promise<number> {
  for (let time = 0; time < 5; time++) {
    await delay(100);
    globalThis.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + (nativeBytes() ?? external);
}

function openedSession(): Session | undefined {
  if (task.who === 'payloads') return undefined;
  const limits = task.who === 'sent' ? { maxInFlight: Math.ceil((task.requests + 400) / CONNECTIONS) } : {};
  return openSession(
    { endpoint: task.endpoint },
    { payloadProtocol: ECHO_PROTOCOL, connections: CONNECTIONS, timeoutMs: 600_000, ...limits },
  );
}

const session = openedSession();
// Loads what has to be loaded, and opens the connections.
hold(session, 400);
const before = await settledBytes();
hold(session, task.requests);
const after = await settledBytes();
if (task.who === 'sent' && session?.stats().waiting !== 0)
  throw new Error('requests wait that should be sent');
const answer: HoldRequestsAnswer = { bytesEach: (after - before) / task.requests };
await sendAnswer(answer);
