/**
 * One first connection in a new process. What it needs is loaded here and not above, so that each way pays
 * for its own.
 */
import { sendAnswer } from '../harness/child.js';
import type { TestTarget } from '../../src/testing/index.js';

/** What it is told. */
export interface ColdTask {
  readonly who: 'pool' | 'adopting-pool' | 'one-shot' | 'naive' | 'bare-negotiation' | 'bare';
  readonly target: TestTarget;
  readonly backendEndpoint: string;
  /** A Hello, ready to be sent; in base64. */
  readonly hello: string;
}

/** In milliseconds. */
export interface ColdAnswer {
  /** From the first call of the library, its modules being loaded, to the connection. */
  readonly fromCall: number;
  /** From the start of the process. */
  readonly fromStart: number;
}

/** Not imported: what a way loads is part of its figure. */
const FRAME_HEADER_BYTES = 5;

type Opener = () => Promise<unknown>;

async function openerOf({ backendEndpoint, hello, target, who }: ColdTask): Promise<Opener> {
  switch (who) {
    case 'pool': {
      const { BrokerPool } = await import('../../src/index.js');
      return () => new BrokerPool({ ...target }).acquire();
    }
    case 'adopting-pool': {
      const { BrokerPool } = await import('../../src/index.js');
      return async () => {
        const lease = await new BrokerPool({ ...target, adoptHandedOffConnection: true }).acquire();
        if (lease.route !== 'handle-passed') throw new Error(`the connection came by ${lease.route}`);
      };
    }
    case 'one-shot': {
      const { connectToBackend } = await import('../../src/connect.js');
      return () => connectToBackend(target);
    }
    case 'naive': {
      const { naiveNegotiate } = await import('../peers/naive-client.js');
      return () => naiveNegotiate(target);
    }
    case 'bare-negotiation': {
      const [{ connect }, { writeSync }, { descriptorOf }] = await Promise.all([
        import('node:net'),
        import('node:fs'),
        import('../../src/os/socket-handle.js'),
      ]);
      const bytes = Buffer.from(hello, 'base64');
      return () =>
        new Promise((resolve, reject) => {
          const broker = connect(target.brokerEndpoint).once('error', reject);
          // Before the broker looks (V-21). 'connect' comes too late for that.
          writeSync(descriptorOf(broker), bytes);
          let reply = Buffer.alloc(0);
          broker.on('data', (piece: Buffer) => {
            reply = Buffer.concat([reply, piece]);
            // Header and body are two writes (W-12). A broker that cannot write the second one ends (V-31).
            if (
              reply.length < FRAME_HEADER_BYTES ||
              reply.length < FRAME_HEADER_BYTES + reply.readUInt32LE(1)
            )
              return;
            broker.destroy();
            const socket = connect(backendEndpoint, () => resolve(socket)).once('error', reject);
          });
        });
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
