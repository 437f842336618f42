import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { BrokerPool } from '../../src/index.js';
import { openSession } from '../../src/frames/index.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import type { BenchCase } from '../harness/case.js';
import { closedLoop, type Turn, type TurnLength } from '../harness/closed-loop.js';
import { alternate } from '../harness/rounds.js';
import { throughputRow } from '../harness/rows.js';
import { requestsInTurn } from '../peers/frame-clients.js';
import { startFrameSystem } from '../peers/frame-systems.js';

const BYTES = 64;
const CALLERS = 64;
const WARM_UP: TurnLength = { operations: 2_000, milliseconds: 200 };
const TURN: TurnLength = { operations: 100, milliseconds: 400 };

const SESSION = 'session.request';
const LEASE = 'a lease a request, raw bytes';

/** What does a session gain over leases? */
export const sessionLeases: BenchCase = {
  name: 'session-leases',
  question: `How many requests a second do ${CALLERS} callers of one pool get answered, through a session and with a lease each?`,
  budgetMs: 10_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await startFrameSystem(context.rustProgram);
    const pools = [new BrokerPool(system.target), new BrokerPool(system.target)] as const;
    const session = openSession(pools[0], { payloadProtocol: ECHO_PROTOCOL });
    const contenders = [
      {
        name: SESSION,
        turn: (length: TurnLength) => requestsInTurn(session, { bytes: BYTES, callers: CALLERS }, length),
      },
      { name: LEASE, turn: (length: TurnLength) => leasesInTurn(pools[1], length) },
    ];
    for (const { turn } of contenders) await turn(WARM_UP);
    const title = `64 B, ${CALLERS} callers, ${system.name}`;
    const turns = await alternate(context, title, contenders, sessionLeases.budgetMs, ({ turn }) =>
      turn(TURN),
    );
    await session.close();
    for (const pool of pools) await pool.close();
    return {
      tables: [
        {
          title,
          unit: 'requests/s',
          better: 'higher',
          baseline: LEASE,
          rows: contenders.map(({ name }) => throughputRow(name, 'ours', turns.get(name) ?? [])),
          targets: [{ row: SESSION, against: LEASE, atLeast: 3 }],
        },
      ],
      notes: [
        'Both over the same kind of pool with its defaults, against the same backend. The raw bytes are a line of 64 bytes, which the backend echoes in its own protocol.',
      ],
    };
  },
};

/** A line that begins with L is the protocol of its own that the Rust backend has. */
function line(): Buffer {
  return Buffer.from(
    `L${randomBytes(BYTES)
      .toString('base64')
      .slice(0, BYTES - 2)}\n`,
  );
}

function leasesInTurn(pool: BrokerPool, length: TurnLength): Promise<Turn> {
  const bytes = line();
  const nothing = (): void => {};
  const operation = async (): Promise<() => void> => {
    const lease = await pool.acquire();
    await echoed(lease.socket, bytes);
    lease.release();
    return nothing;
  };
  return closedLoop(operation, CALLERS, length);
}

/** Sends bytes and resolves when they have come back. */
function echoed(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const onData = (chunk: Buffer): void => {
      if (!bytes.subarray(received, received + chunk.length).equals(chunk))
        return end(new Error('a wrong echo'));
      received += chunk.length;
      if (received === bytes.length) end();
    };
    const onClose = (): void => end(new Error('the backend closed the connection'));
    const end = (error?: Error): void => {
      socket.off('data', onData).off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.on('data', onData).on('close', onClose);
    socket.write(bytes);
  });
}
