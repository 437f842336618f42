/** What a dial tells its caller, and what it leaves behind, however it ends. */
import { Socket } from 'node:net';
import {
  connectWithin,
  dial,
  dialFailure,
  socketOver,
  type DialOptions,
  type DialOutcome,
} from '../../../src/negotiation/sockets/dial.js';
import { loadNative } from '../../../src/os/native.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';
import { testWhere } from '../../helpers/test-where.js';

/** A dial whose connects end when the test says so. */
function setUp(options: Partial<DialOptions> = {}) {
  const clock = new FakeClock();
  const opened: Socket[] = [];
  const open = (): Socket => {
    const socket = new Socket();
    opened.push(socket);
    return socket;
  };
  // An abstract name has no file that could be looked at.
  const usual = { endpoint: '\0fake', timeoutMs: 1_000, clock, open };
  const outcomes: DialOutcome[] = [];
  const begin = (): (() => void) =>
    dial({ ...usual, deadlineMs: clock.now() + 1_000, ...options }, (outcome) => outcomes.push(outcome));
  return { clock, opened, outcomes, usual, begin };
}

const failing = (code: string): Error =>
  Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' });

test('a dial that connects leaves no timer, and no listener for errors on its connection', (t) => {
  const called: Socket[] = [];
  const { clock, opened, outcomes, begin } = setUp({ onCalled: (socket) => called.push(socket) });
  begin();
  const [socket] = opened;
  t.deepEqual(called, opened);
  socket?.emit('connect');
  t.like(outcomes, [{ kind: 'connected', socket }]);
  t.deepEqual([socket?.listenerCount('error'), clock.pending], [0, 0]);
  socket?.destroy();
});

test('a dial that is refused leaves no timer, and ends once', (t) => {
  const { clock, opened, outcomes, begin } = setUp();
  begin();
  opened[0]?.emit('error', failing('ECONNREFUSED'));
  opened[0]?.emit('connect');
  clock.advance(10_000);
  t.like(outcomes, [{ kind: 'refused', system: { code: 'ECONNREFUSED' } }]);
  t.deepEqual([outcomes.length, opened.length, clock.pending], [1, 1, 0]);
  opened[0]?.destroy();
});

test('a dial that is given up in the pause before its next attempt makes none', (t) => {
  const { clock, opened, outcomes, begin } = setUp();
  const giveUp = begin();
  opened[0]?.emit('error', failing('EAGAIN'));
  t.is(clock.pending, 2);
  giveUp();
  t.is(clock.pending, 0);
  clock.advance(10_000);
  t.deepEqual([opened.length, outcomes.length], [1, 0]);
  opened[0]?.destroy();
});

test('a connect without native calls ends with its time, counted from the call', async (t) => {
  const { clock, opened, usual } = setUp();
  clock.advance(5_000);
  let ended = false;
  const outcome = Promise.resolve(connectWithin(undefined, usual, undefined, '')).finally(() => {
    ended = true;
  });
  clock.advance(999);
  await Promise.resolve();
  t.false(ended);
  clock.advance(1);
  t.like(await outcome, { kind: 'timeout', failure: { code: 'TIMEOUT', phase: 'connect' } });
  t.true(opened[0]?.destroyed);
});

test('a connect without native calls ends when its signal aborts', async (t) => {
  const { clock, opened, usual } = setUp();
  const aborter = new AbortController();
  const connecting = t.throwsAsync(
    Promise.resolve(connectWithin(undefined, usual, aborter.signal, 'given up')),
    { code: 'ABORTED', message: /given up/ },
  );
  aborter.abort();
  await connecting;
  t.deepEqual([opened[0]?.destroyed, clock.pending], [true, 0]);
  const other = setUp();
  const connected = connectWithin(undefined, other.usual, new AbortController().signal, '');
  other.opened[0]?.emit('connect');
  t.like(await connected, { kind: 'connected' });
  other.opened[0]?.destroy();
});

test('a dial that failed is a failure of its peer, one that timed out is its own', (t) => {
  const failure = { code: 'TIMEOUT', message: 'late' } as const;
  t.is(dialFailure('broker', '/broker', { kind: 'timeout', failure }), failure);
  const system = { code: 'ECONNREFUSED', syscall: 'connect', message: 'connect ECONNREFUSED' };
  t.like(dialFailure('broker', '/broker', { kind: 'refused', system }), {
    code: 'BROKER_CONNECT',
    endpoint: '/broker',
    system,
  });
});

const native = loadNative();
testWhere(native !== undefined, 'the C library')(
  'a descriptor whose socket cannot be made is closed',
  (t) => {
    if (native === undefined) return t.fail();
    const closed: number[] = [];
    const close = (descriptor: number): number => closed.push(descriptor);
    const problem = new Error('no socket');
    const result = socketOver({ ...native.system, close }, 1_000, () => {
      throw problem;
    });
    t.is(result, problem);
    t.deepEqual(closed, [1_000]);
  },
);
