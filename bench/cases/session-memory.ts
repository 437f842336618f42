import type { BenchCase } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { whole } from '../harness/print.js';
import { alternate } from '../harness/rounds.js';
import { startSilentBackend } from '../peers/frame-backends.js';
import type { HoldRequestsAnswer, HoldRequestsTask } from '../programs/hold-requests.js';

const REQUESTS = 10_000;
const BYTES = 1_024;

const PAYLOADS = 'the payloads alone, in an array';
const IN_FLIGHT = 'requests in flight, sent';
const WAITING = 'requests waiting, most of them not sent';

const HOLDERS: readonly { name: string; who: HoldRequestsTask['who']; role: 'ours' | 'floor' }[] = [
  { name: IN_FLIGHT, who: 'sent', role: 'ours' },
  { name: WAITING, who: 'waiting', role: 'ours' },
  { name: PAYLOADS, who: 'payloads', role: 'floor' },
];

/** What does a request in flight cost? */
export const sessionMemory: BenchCase = {
  name: 'session-memory',
  question: `What do ${whole(REQUESTS)} requests in flight cost in memory, beside their payloads?`,
  budgetMs: 30_000,
  pictures: ['bars'],
  async run(context) {
    await using backend = await startSilentBackend();
    const measured = await alternate(context, 'memory', HOLDERS, sessionMemory.budgetMs, async ({ who }) => {
      const task: HoldRequestsTask = { who, endpoint: backend.endpoint, requests: REQUESTS, bytes: BYTES };
      const { bytesEach } = await askProgram<HoldRequestsAnswer>('hold-requests', task, {
        nodeOptions: ['--expose-gc'],
      });
      return bytesEach;
    });
    return {
      tables: [
        {
          title: `${whole(REQUESTS)} requests of 1 KiB`,
          unit: 'bytes each',
          better: 'lower',
          baseline: PAYLOADS,
          rows: HOLDERS.map(({ name, role }) => ({ name, role, rounds: measured.get(name) ?? [] })),
          // A payload with its Buffer takes some 1,400 bytes; 1 KiB more is 1.7 times that.
          targets: [IN_FLIGHT, WAITING].map((row) => ({ row, against: PAYLOADS, atMost: 1.7 })),
        },
      ],
      notes: [
        "V8's heap, buffers, and what native code holds, after collections, in a process of its own. The promises of the callers are among it.",
        'Requests in flight are sent over 4 connections to a listener that reads and does not answer; requests waiting are more than the 4 × 64 that a session sends at a time.',
      ],
    };
  },
};
