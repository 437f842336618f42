/**
 * One first connection in a new process. What it needs is loaded here and not above, so that each way pays
 * for its own.
 */
import { sendAnswer } from '../harness/child.js';
import type { Route } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';

/** The program's task. */
export interface ColdTask {
  readonly who:
    | 'pool'
    | 'adopting-pool'
    | 'remembering-pool'
    | 'one-shot'
    | 'remembering-one-shot'
    | 'naive'
    | 'bare-negotiation'
    | 'bare';
  readonly target: TestTarget;
  readonly backendEndpoint: string;
  /** A Hello, ready to be sent; in base64. */
  readonly hello: string;
  /** The endpoint cache's file, in which an earlier process has left the endpoint. */
  readonly file: string;
}

/** In milliseconds. */
export interface ColdAnswer {
  /** From the first call of the library, its modules being loaded, to the connection. */
  readonly fromCall: number;
  /** From the start of the process. */
  readonly fromStart: number;
}

type Opener = () => Promise<unknown>;

async function openerOf({ backendEndpoint, file, hello, target, who }: ColdTask): Promise<Opener> {
  switch (who) {
    case 'pool': {
      const { BrokerPool } = await import('../../src/index.js');
      return () => new BrokerPool({ ...target }).acquire();
    }
    case 'adopting-pool': {
      const { BrokerPool } = await import('../../src/index.js');
      return async () => {
        const lease = await new BrokerPool({ ...target, adoptHandedOffConnection: true }).acquire();
        checkRoute(lease.route, 'handle-passed');
      };
    }
    case 'one-shot': {
      const { connectToBackend } = await import('../../src/connect.js');
      return () => connectToBackend(target);
    }
    case 'remembering-pool': {
      const { BrokerPool } = await import('../../src/index.js');
      return async () => {
        const lease = await new BrokerPool({ ...target, endpointCache: { file } }).acquire();
        checkRoute(lease.route, 'hello-skip');
      };
    }
    case 'remembering-one-shot': {
      const { connectToBackend } = await import('../../src/connect.js');
      return async () => {
        const { route } = await connectToBackend({ ...target, endpointCache: { file } });
        checkRoute(route, 'hello-skip');
      };
    }
    case 'naive': {
      const { naiveNegotiate } = await import('../peers/naive-client.js');
      return () => naiveNegotiate(target);
    }
    case 'bare-negotiation': {
      const { bareNegotiate } = await import('../peers/bare-negotiation.js');
      return () => bareNegotiate(target.brokerEndpoint, backendEndpoint, Buffer.from(hello, 'base64'));
    }
    case 'bare': {
      const { connect } = await import('node:net');
      return () =>
        new Promise((resolve, reject) => {
          const socket = connect(backendEndpoint, () => resolve(socket));
          socket.once('error', reject);
        });
    }
  }
}

function checkRoute(route: Route, wanted: Route): void {
  if (route !== wanted) throw new Error(`the connection came by ${route}, not by ${wanted}`);
}

async function measure(task: ColdTask): Promise<ColdAnswer> {
  const open = await openerOf(task);
  const beganMs = performance.now();
  await open();
  // The clock of `performance` began with the process.
  const endedMs = performance.now();
  return { fromCall: endedMs - beganMs, fromStart: endedMs };
}

const task: ColdTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
