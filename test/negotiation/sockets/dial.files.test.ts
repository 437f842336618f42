/** Dials where the kernel does not name peers: the socket file and its directories are looked at instead. */
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { dial, type DialOutcome } from '../../../src/negotiation/sockets/dial.js';
import { canAskForPeers, ownTrust } from '../../../src/os/endpoint-trust.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { temporaryDirectory } from '../../helpers/sanitary.js';
import { onWindows, testWhere } from '../../helpers/test-where.js';

// Before anything asks for the C library, which names peers.
process.env['BROKER_POOL_FFI'] = '0';

const posix = testWhere(!onWindows, 'file modes');

async function setUp(t: ExecutionContext, mode: number) {
  const directory = temporaryDirectory(t);
  const endpoint = endpointIn(directory, 'backend');
  const server = createServer().listen(endpoint);
  await once(server, 'listening');
  t.teardown(async () => {
    server.close();
    await once(server, 'close');
  });
  chmodSync(directory, mode);
  const clock = new FakeClock();
  const opened: Socket[] = [];
  const outcomes: DialOutcome[] = [];
  const open = (): Socket => {
    const socket = new Socket();
    opened.push(socket);
    return socket;
  };
  const options = { endpoint, deadlineMs: 60_000, timeoutMs: 59_000, clock, trust: ownTrust(), open };
  const giveUp = dial(options, (outcome) => outcomes.push(outcome));
  return { clock, opened, outcomes, giveUp };
}

posix(
  'a dial in a directory where others may write is refused in a later turn, and makes no connect',
  async (t) => {
    t.false(canAskForPeers());
    const { clock, opened, outcomes } = await setUp(t, 0o777);
    t.deepEqual(outcomes, []);
    clock.endTurn();
    t.like(outcomes, [{ kind: 'refused', system: { code: 'EUNTRUSTED' } }]);
    t.deepEqual([opened.length, clock.pending], [0, 0]);
  },
);

posix('a dial there that is given up in its first turn tells nothing', async (t) => {
  const { clock, outcomes, giveUp } = await setUp(t, 0o777);
  giveUp();
  clock.advance(100_000);
  t.deepEqual([outcomes.length, clock.pending], [0, 0]);
});

posix('a dial in a directory of its own user connects', async (t) => {
  const { opened, outcomes } = await setUp(t, 0o700);
  opened[0]?.emit('connect');
  t.like(outcomes, [{ kind: 'connected' }]);
  opened[0]?.destroy();
});
