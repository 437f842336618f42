import { systemClock } from '../../../src/clock.js';
import { BrokerPool, connectToBackend } from '../../../src/index.js';
import { connectWithin } from '../../../src/negotiation/sockets/dial.js';
import { MOST_DIALS_IN_A_TURN } from '../../../src/negotiation/sockets/dials-in-turn.js';
import { errno } from '../../../src/os/errno.js';
import { loadNative, type Native, type SystemCalls } from '../../../src/os/native.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, startSystem } from '../../helpers/system.js';
import { FFI, testWhere } from '../../helpers/test-where.js';

const native = loadNative();
/** One after the other: all dials of the process count. */
const nativeTest = testWhere(native !== undefined, FFI, test.serial);

const turn = (): Promise<void> => new Promise((resolve) => void systemClock.afterTurn(resolve));

function nativeWith(changes: Partial<SystemCalls>): Native {
  if (native === undefined) throw new Error('no C library here');
  return { polling: native.polling, system: { ...native.system, ...changes } };
}

/** How often an operation ends before the event loop turns. */
async function timesInTurn(operation: () => Promise<void>): Promise<number> {
  await turn();
  let times = 0;
  let timesAtTurn: number | undefined;
  systemClock.afterTurn(() => (timesAtTurn = times));
  for (; times <= 2 * MOST_DIALS_IN_A_TURN; times += 1) await operation();
  return timesAtTurn ?? times;
}

/** Begins dials, which find no descriptor, until one must wait for a turn of the event loop. */
function dialUntilOneWaits(endpoint: string, last: Native, signal?: AbortSignal) {
  const options = { endpoint, timeoutMs: 5_000, clock: systemClock };
  const failing = nativeWith({ openSocket: () => -(errno['EMFILE'] ?? 0) });
  const failsNow = (): boolean => !('then' in connectWithin(failing, options, undefined, 'unused'));
  for (let times = 0; times <= MOST_DIALS_IN_A_TURN && failsNow(); times += 1);
  const dialing = connectWithin(last, options, signal, 'given up');
  if (!('then' in dialing)) throw new Error('the dial did not wait');
  return dialing;
}

nativeTest(
  'a pool that only connects and closes lets the event loop turn once in 128 to 256 connects',
  async (t) => {
    const { target } = await startSystem(t);
    await using pool = new BrokerPool({ ...target, max: 1 });
    (await pool.acquire()).destroy();
    const times = await timesInTurn(async () => (await pool.acquire()).destroy());
    // Up to half as many may have gone before, in the same turn.
    t.true(times >= MOST_DIALS_IN_A_TURN / 2, `${times}`);
    t.true(times <= MOST_DIALS_IN_A_TURN, `${times}`);
  },
);

nativeTest(
  'connectToBackend with a remembered endpoint lets the event loop turn once in 128 to 256 connects',
  async (t) => {
    const { target, backend } = await startSystem(t);
    const options = { ...target, cachedBackendEndpoint: backend.endpoint };
    (await connectToBackend(options)).socket.destroy();
    const times = await timesInTurn(async () => void (await connectToBackend(options)).socket.destroy());
    t.true(times >= MOST_DIALS_IN_A_TURN / 2, `${times}`);
    t.true(times <= MOST_DIALS_IN_A_TURN, `${times}`);
  },
);

nativeTest('a dial that waited for a turn connects on the spot', async (t) => {
  const { backend } = await startSystem(t);
  let turned = false;
  let descriptor: number | undefined;
  const watched = nativeWith({
    openSocket: () => {
      t.true(turned);
      return (descriptor = native?.system.openSocket() ?? -1);
    },
  });
  systemClock.afterTurn(() => (turned = true));
  const outcome = await dialUntilOneWaits(backend.endpoint, watched);
  if (outcome.kind !== 'connected') return t.fail();
  t.not(descriptor, undefined);
  t.is(await echo(outcome.socket, 'hello'), 'hello');
  await closed(outcome.socket);
});

nativeTest('dials that wait for the same turn connect before the caller of one of them runs', async (t) => {
  const { backend } = await startSystem(t);
  let connects = 0;
  const counting = nativeWith({ openSocket: () => ((connects += 1), -(errno['EMFILE'] ?? 0)) });
  const dials = [1, 2, 3].map(async () => {
    await dialUntilOneWaits(backend.endpoint, counting);
    return connects;
  });
  t.deepEqual(await Promise.all(dials), [3, 3, 3]);
});

nativeTest('a dial that is given up while it waits for a turn opens no socket', async (t) => {
  const { backend } = await startSystem(t);
  const giving = new AbortController();
  const watched = nativeWith({ openSocket: () => t.fail() });
  const dialing = dialUntilOneWaits(backend.endpoint, watched, giving.signal);
  giving.abort();
  await t.throwsAsync(async () => await dialing, { code: 'ABORTED', message: /given up/ });
  await turn();
});

nativeTest('a dial that waited for a turn and finds no room connects by the event loop', async (t) => {
  const { backend } = await startSystem(t);
  const full = nativeWith({ connect: () => -(errno['EAGAIN'] ?? 0) });
  const outcome = await dialUntilOneWaits(backend.endpoint, full);
  if (outcome.kind !== 'connected') return t.fail();
  t.is(await echo(outcome.socket, 'hello'), 'hello');
  await closed(outcome.socket);
});

nativeTest('a dial that waited for a turn and found no room can be given up', async (t) => {
  const { backend } = await startSystem(t);
  const giving = new AbortController();
  let calls = 0;
  const full = nativeWith({ connect: () => ((calls += 1), -(errno['EAGAIN'] ?? 0)) });
  const dialing = dialUntilOneWaits(backend.endpoint, full, giving.signal);
  // Right behind the dial: the event loop has not reported its connect yet.
  systemClock.afterTurn(() => giving.abort());
  await t.throwsAsync(async () => await dialing, { code: 'ABORTED' });
  t.is(calls, 1);
});
