import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.js';
import { LONGEST_RETRY_MS } from '../../../src/negotiation/connect-failures.js';
import { dial, dialNow, systemFailureOf, type DialOutcome } from '../../../src/negotiation/sockets/dial.js';
import { errno } from '../../../src/os/errno.js';
import { loadNative, type Native, type SystemCalls } from '../../../src/os/native.js';
import { PooledSocket } from '../../../src/os/pooled-socket.js';
import type { SocketWatcher } from '../../../src/os/socket-watcher.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';

const native = loadNative();
const nativeTest = testWhere(native !== undefined, 'the C library');

function nativeWith(changes: Partial<SystemCalls>): Native {
  if (native === undefined) throw new Error('no C library here');
  return { polling: native.polling, system: { ...native.system, ...changes } };
}

nativeTest('a listener is connected to on the spot', async (t) => {
  const { backend } = await startSystem(t);
  const outcome = dialNow(native, backend.endpoint);
  if (outcome?.kind !== 'connected') return t.fail();
  t.is(await echo(outcome.socket, 'hello'), 'hello');
  await closed(outcome.socket);
});

nativeTest(
  'a dial with the maker of pooled sockets makes the socket that a pooled connection keeps',
  async (t) => {
    const { backend } = await startSystem(t);
    // The class of the handles is known from the first socket on.
    const first = dialNow(native, backend.endpoint);
    if (first?.kind !== 'connected') return t.fail();
    await closed(first.socket);
    const outcome = dialNow(native, backend.endpoint, undefined, (descriptor) =>
      PooledSocket.over(descriptor),
    );
    if (outcome?.kind !== 'connected') return t.fail();
    let bytes = 0;
    const watcher: SocketWatcher = {
      mustNotRead: false,
      onBytes: () => (bytes += 1),
      onEnd: () => {},
      onRest: () => {},
      beforeClose: () => {},
      onDeath: () => {},
    };
    const adopted = PooledSocket.adopt(outcome.socket, watcher);
    t.true(Object.is(adopted, outcome.socket));
    t.is(await echo(adopted, 'hello'), 'hello');
    t.is(bytes, 1, 'its watcher is told');
    await closed(adopted);
  },
);

nativeTest('a dial without a listener is refused on the spot and leaves no descriptor', async (t) => {
  const { directory } = await startSystem(t);
  t.like(dialNow(native, endpointIn(directory, 'none')), {
    kind: 'refused',
    system: { code: 'ENOENT', syscall: 'connect' },
  });
  const noDescriptors = nativeWith({ openSocket: () => -(errno['EMFILE'] ?? 0) });
  t.like(dialNow(noDescriptors, endpointIn(directory, 'none')), {
    kind: 'refused',
    system: { code: 'EMFILE', syscall: 'socket' },
  });
});

nativeTest('a descriptor that cannot become a socket is closed, and the dial says why', async (t) => {
  const { backend } = await startSystem(t);
  const closedDescriptors: number[] = [];
  const odd = nativeWith({
    // Not open.
    openSocket: () => 1_000_000,
    connect: () => 0,
    close: (descriptor) => {
      closedDescriptors.push(descriptor);
      return 0;
    },
  });
  t.like(dialNow(odd, backend.endpoint), { kind: 'refused', system: { code: 'ERR_INVALID_FD_TYPE' } });
  t.deepEqual(closedDescriptors, [1_000_000]);
});

nativeTest('a full backlog is left to the dial that waits', async (t) => {
  const { backend } = await startSystem(t);
  t.is(dialNow(nativeWith({ connect: () => -(errno['EAGAIN'] ?? 0) }), backend.endpoint), undefined);
});

test('dialNow leaves a connect to the dial that waits where there are no native calls', async (t) => {
  const { backend } = await startSystem(t);
  t.is(dialNow(undefined, backend.endpoint), undefined);
  const outcome = await new Promise<DialOutcome>((settle) => {
    dial(
      {
        endpoint: backend.endpoint,
        deadlineMs: systemClock.now() + 20_000,
        timeoutMs: 20_000,
        clock: systemClock,
      },
      settle,
    );
  });
  if (outcome.kind !== 'connected') return t.fail();
  await closed(outcome.socket);
});

/** A dial on a fake clock whose connects fail with these codes in turn, and then stay under way. */
function failingDial(codes: readonly string[], platform: NodeJS.Platform, timeoutMs: number) {
  const clock = new FakeClock();
  const opened: Socket[] = [];
  const outcomes: DialOutcome[] = [];
  const open = (): Socket => {
    const socket = new Socket();
    const code = codes[opened.length];
    opened.push(socket);
    if (code !== undefined)
      setImmediate(() =>
        socket.destroy(Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })),
      );
    return socket;
  };
  // An abstract name has no file that could be looked at.
  dial(
    { endpoint: '\0fake', deadlineMs: clock.now() + timeoutMs, timeoutMs, clock, platform, open },
    (outcome) => outcomes.push(outcome),
  );
  return { clock, opened, outcomes };
}

function messageOf(outcome: DialOutcome | undefined): string {
  return outcome?.kind === 'timeout' ? outcome.failure.message : '';
}

test('a busy pipe of Windows, which libuv reports as ETIMEDOUT or EBUSY, is tried again', async (t) => {
  const { clock, opened, outcomes } = failingDial(['ETIMEDOUT', 'EBUSY'], 'win32', 60_000);
  for (const tries of [1, 2, 3]) {
    t.is(opened.length, tries);
    await turn();
    clock.advance(LONGEST_RETRY_MS);
  }
  t.deepEqual(outcomes, []);
  opened.at(-1)?.emit('connect');
  t.like(outcomes, { length: 1, 0: { kind: 'connected' } });
  opened.at(-1)?.destroy();
});

test('a dial keeps the process alive until it has settled, unless told not to; its connection always does', async (t) => {
  const clock = new FakeClock();
  for (const keepAlive of [true, false]) {
    const calls: string[] = [];
    const socket = new Socket();
    socket.unref = () => (calls.push('unref'), socket);
    socket.ref = () => (calls.push('ref'), socket);
    const options = { endpoint: '\0fake', deadlineMs: 60_000, timeoutMs: 60_000, clock, open: () => socket };
    const outcome = new Promise<DialOutcome>((settle) => {
      dial({ ...options, ...(keepAlive ? {} : { keepAlive }) }, settle);
    });
    t.deepEqual(calls, keepAlive ? [] : ['unref']);
    socket.emit('connect');
    t.is((await outcome).kind, 'connected');
    t.is(calls.at(-1), 'ref');
    socket.destroy();
  }
});

test("the dial's own deadline ends a connect that Windows is still waiting for", async (t) => {
  const { clock, opened, outcomes } = failingDial(['ETIMEDOUT'], 'win32', 1_000);
  await turn();
  clock.advance(LONGEST_RETRY_MS);
  t.is(opened.length, 2);
  clock.advance(1_000);
  t.like(outcomes, { length: 1, 0: { kind: 'timeout', failure: { code: 'TIMEOUT', phase: 'connect' } } });
  t.true(opened[1]?.destroyed);
  t.regex(messageOf(outcomes[0]), /its backlog stayed full$/);
});

test('a connection that comes after its dial was given up is closed, or left to the caller who asked for it', (t) => {
  const clock = new FakeClock();
  for (const isWanted of [false, true]) {
    const socket = new Socket();
    const late: Socket[] = [];
    const options = { endpoint: '\0fake', deadlineMs: 60_000, timeoutMs: 60_000, clock, open: () => socket };
    const onLateConnect = (connection: Socket): void => void late.push(connection);
    const giveUp = dial({ ...options, ...(isWanted ? { onLateConnect } : {}) }, () => t.fail());
    giveUp();
    socket.emit('error', new Error('late'));
    socket.emit('connect');
    t.is(socket.destroyed, !isWanted);
    t.deepEqual(late, isWanted ? [socket] : []);
    socket.destroy();
  }
  t.is(clock.pending, 0);
});

test('a connect that is never answered times out, and says nothing of a backlog', (t) => {
  const { clock, opened, outcomes } = failingDial([], 'linux', 1_000);
  clock.advance(999);
  t.deepEqual(outcomes, []);
  clock.advance(1);
  t.regex(messageOf(outcomes[0]), /timed out after 1000 ms$/);
  t.true(opened[0]?.destroyed);
});

test('elsewhere ETIMEDOUT is final', async (t) => {
  const { opened, outcomes } = failingDial(['ETIMEDOUT'], 'linux', 60_000);
  await turn();
  t.is(opened.length, 1);
  t.like(outcomes, { length: 1, 0: { kind: 'refused', system: { code: 'ETIMEDOUT' } } });
});

test('a listener that stays busy is asked again after ever longer pauses, up to the longest', async (t) => {
  const { clock, opened } = failingDial(
    Array.from({ length: 20 }, () => 'EAGAIN'),
    'linux',
    60_000,
  );
  const pauses: number[] = [];
  let before = clock.now();
  while (opened.length < 12) {
    const tries = opened.length;
    await turn();
    while (opened.length === tries) clock.advance(1);
    pauses.push(clock.now() - before);
    before = clock.now();
  }
  t.deepEqual(pauses, [1, 1, 2, 4, 8, 16, 16, 16, 16, 16, 16]);
  await turn();
  clock.advance(60_000);
});

test('the failure of a socket names the call that Node reports, and connect where Node reports none', (t) => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
  t.deepEqual(systemFailureOf(reset), { code: 'ECONNRESET', syscall: 'read', message: 'read ECONNRESET' });
  t.like(systemFailureOf(new Error('no handle')), { code: 'UNKNOWN', syscall: 'connect' });
});
