/** One turn of `npm run bench:slips`: what an operation costs in processor time, in a process of its own. */
import { pauseProcess } from '../../src/testing/pause-process.js';
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { processorTime } from '../harness/processor-time.js';
import { decoders, encoders, type Codec } from '../peers/codecs.js';
import {
  bareConnector,
  bareNegotiator,
  pacedCloserOf,
  poolConnector,
  type ConnectorContender,
} from '../peers/connectors.js';
import { openLender, type LenderName } from '../peers/lenders.js';

interface ConnectTask {
  readonly what: 'connect';
  readonly who: 'pool' | 'bare';
  /** Whether the broker is asked for each connection. */
  readonly negotiated: boolean;
  readonly target: TestTarget;
  readonly endpoint: string;
  /** Of the backend's process, which is stopped during a batch. */
  readonly pid: number;
}

/** The task of one turn. */
export type ProcessorTimeTask =
  | {
      readonly what: 'lend';
      readonly lender: LenderName;
      readonly callers: number;
      readonly target: TestTarget;
    }
  | ConnectTask
  | {
      readonly what: 'decode' | 'encode';
      readonly codec: Codec['name'];
      readonly bytes: number;
    };

const LENT_CONNECTIONS = 10;
/**
 * Less than the backlog of the rows' backend, which accepts none of them meanwhile. Linux allows backlogs of 4,096 since
 * 5.4, other systems of 128.
 */
const MOST_CONNECTS = process.platform === 'linux' ? 1_000 : 100;

function connectorOf({ who, negotiated, target, endpoint }: ConnectTask): ConnectorContender {
  if (who === 'pool')
    return poolConnector({ ...target, max: 1, ...(negotiated && { endpointCache: false }) });
  return negotiated ? bareNegotiator(target, endpoint) : bareConnector(endpoint);
}

/** Nanoseconds for each operation. */
async function measure(task: ProcessorTimeTask): Promise<number> {
  switch (task.what) {
    case 'lend': {
      const lender = await openLender(task.lender, LENT_CONNECTIONS, task.target);
      const lend = async (times: number): Promise<void> => {
        for (let time = 0; time < times; time++) lender.release(await lender.acquire());
      };
      return await processorTime(lend, { callers: task.callers });
    }
    case 'connect': {
      const { connect } = connectorOf(task);
      const connectAndClose = async (times: number): Promise<void> => {
        for (let time = 0; time < times; time++) (await connect()).close();
      };
      const backend = { pid: task.pid, kill: (signal: NodeJS.Signals) => process.kill(task.pid, signal) };
      // Stopped: each connect would wake a backend that waits, and no busy one, and the waking counts here.
      const between = async (): Promise<void> => {
        backend.kill('SIGCONT');
        // When the backend answers this one, it has accepted all before it.
        await pacedCloserOf(await connect())();
        pauseProcess(backend);
      };
      await between();
      try {
        return await processorTime(connectAndClose, { mostTimes: MOST_CONNECTS, between });
      } finally {
        backend.kill('SIGCONT');
      }
    }
    case 'decode':
    case 'encode': {
      const codecs = task.what === 'decode' ? decoders(task.bytes) : encoders(task.bytes);
      const codec = codecs.find(({ name }) => name === task.codec);
      if (codec === undefined) throw new Error(`there is no codec ${task.codec}`);
      const run = async (times: number): Promise<void> => {
        for (let time = 0; time < times; time++) codec.run();
      };
      return (await processorTime(run)) / codec.frames;
    }
  }
}

const task: ProcessorTimeTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
