/** Connections to brokers over sockets, and how long they keep a process alive. */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.js';
import type { SystemFailure } from '../../../src/errors.js';
import {
  countUnanswered,
  HOLD_MS,
  holdForReply,
  isUnanswered,
  onRoom,
  roomWithinMs,
  streamConnection,
} from '../../../src/negotiation/sockets/broker-requests.js';
import {
  drainReply,
  GIVE_UP_MS,
  type AbandonedRequest,
} from '../../../src/negotiation/sockets/drain-reply.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { FakeSocket } from '../../helpers/fake-peers.js';
import test from '../../helpers/sanitary.js';
import { negotiatedFrame } from '../exchange/exchange-kit.js';

const BROKER = '/run/broker-of-connections';

/** A connection whose reader notes what it is told. */
function listening() {
  const socket = new FakeSocket();
  const heard: (string | SystemFailure | undefined)[] = [];
  const chunks: Uint8Array[] = [];
  const connection = streamConnection(
    socket,
    (bytes) => {
      chunks.push(bytes);
      heard.push(Buffer.from(bytes).toString());
    },
    (failure) => heard.push(failure?.code ?? 'end'),
  );
  return { socket, heard, chunks, connection };
}

test('a broker connection passes bytes on, and overwrites them once they are read', async (t) => {
  const { socket, heard, chunks, connection } = listening();
  socket.push(Buffer.from('token'));
  await turn();
  t.deepEqual(heard, ['token']);
  t.deepEqual([...(chunks[0] ?? [])], [0, 0, 0, 0, 0]);
  connection.close();
});

test('a broker connection tells its end once, with the reason where it failed', async (t) => {
  const ended = listening();
  ended.socket.push(null);
  await turn();
  ended.socket.destroy();
  await turn();
  t.deepEqual(ended.heard, ['end']);
  const failed = listening();
  failed.socket.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  failed.socket.destroy();
  await turn();
  t.deepEqual(failed.heard, ['ECONNRESET']);
});

test('a broker connection that is listened to anew tells the new reader alone', async (t) => {
  const { socket, heard, connection } = listening();
  const later: string[] = [];
  connection.listen(
    (bytes) => later.push(Buffer.from(bytes).toString()),
    () => later.push('end'),
  );
  socket.push(Buffer.from('more'));
  await turn();
  socket.push(null);
  await turn();
  t.deepEqual([heard, later], [[], ['more', 'end']]);
  socket.destroy();
});

test('a broker connection that is closed is destroyed, and tells nothing more, not even an error', async (t) => {
  const { socket, heard, connection } = listening();
  connection.close();
  socket.emit('error', new Error('late'));
  await turn();
  t.deepEqual([socket.destroyed, heard], [true, []]);
});

test('a broker connection that is given away leaves what follows to its next reader, and no listener', async (t) => {
  const socket = new FakeSocket();
  const own = new Map(socket.eventNames().map((name) => [name, socket.listenerCount(name)]));
  const heard: string[] = [];
  const connection = streamConnection(
    socket,
    (bytes) => {
      heard.push(Buffer.from(bytes).toString());
      socket.push(Buffer.from('next'));
      connection.detach();
    },
    () => heard.push('end'),
  );
  socket.push(Buffer.from('reply'));
  await turn();
  t.deepEqual(heard, ['reply']);
  t.deepEqual(new Map(socket.eventNames().map((name) => [name, socket.listenerCount(name)])), own);
  t.is(String(socket.read()), 'next');
  socket.destroy();
  await once(socket, 'close');
  t.deepEqual(heard, ['reply']);
});

/** Drains a reply of a connection that leads nowhere. */
function draining(request: Partial<AbandonedRequest> = {}) {
  const clock = new FakeClock();
  // What holds the process asks the system's clock.
  clock.nowMs = systemClock.now();
  const socket = new FakeSocket();
  drainReply(streamConnection(socket), { brokerEndpoint: BROKER, clock, ...request });
  return { clock, socket };
}

const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

test.serial(
  'a drain keeps no process alive by its connection, and leaves nothing once the reply is in',
  async (t) => {
    const before = timers();
    const { clock, socket } = draining();
    t.false(socket.keepsAlive);
    t.deepEqual([timers(), countUnanswered(BROKER)], [before + 1, 1], 'it is held for a moment');
    const wire = negotiatedFrame();
    socket.push(Buffer.from(wire.subarray(0, 7)));
    await turn();
    t.false(socket.destroyed);
    socket.push(Buffer.from(wire.subarray(7)));
    await turn();
    t.true(socket.destroyed);
    t.deepEqual([timers(), countUnanswered(BROKER), clock.pending], [before, 0, 0]);
  },
);

test.serial('a drain of an unknown rest reads until the end of the stream', async (t) => {
  const { socket } = draining({ progress: 'unknown' });
  socket.push(Buffer.from(negotiatedFrame()));
  await turn();
  t.false(socket.destroyed);
  socket.push(null);
  await turn();
  t.true(socket.destroyed);
});

test.serial('a request that is drained now leaves its place within 35 s', (t) => {
  const { socket } = draining({ clock: systemClock });
  const withinMs = roomWithinMs(BROKER);
  t.true(withinMs > 30_000 && withinMs <= GIVE_UP_MS, String(withinMs));
  socket.emit('end');
  t.is(roomWithinMs(BROKER), 0);
  onRoom(BROKER, () => t.fail('there is room already'));
});

/** The system's clock stands still, and its timers are noted, until the result is called. */
function stopClock() {
  const real = { ...systemClock };
  const held: number[] = [];
  const time = { nowMs: 50_000 };
  systemClock.now = () => time.nowMs;
  systemClock.schedule = (delayMs, _callback, keepAlive) => {
    if (keepAlive === true) held.push(delayMs);
    return () => {};
  };
  return { held, time, restore: () => Object.assign(systemClock, real) };
}

test.serial(
  'a drain holds the process for a second from the request, or from now where the caller waited',
  (t) => {
    const { held, time, restore } = stopClock();
    const clock = new FakeClock();
    clock.nowMs = time.nowMs;
    try {
      const first = draining({ clock, sinceMs: time.nowMs - 600 });
      first.socket.emit('end');
      const second = draining({ clock });
      second.socket.emit('end');
      t.deepEqual(held, [HOLD_MS - 600, HOLD_MS]);
    } finally {
      restore();
    }
  },
);

test.serial('a request that begins while others hold the process does not prolong the time', (t) => {
  const { held, time, restore } = stopClock();
  try {
    const letFirstGo = holdForReply('/first', time.nowMs);
    time.nowMs += 300;
    const letSecondGo = holdForReply('/second', time.nowMs);
    letFirstGo();
    time.nowMs += 300;
    const letThirdGo = holdForReply('/third', time.nowMs);
    time.nowMs += 400;
    holdForReply('/fourth', time.nowMs)();
    letSecondGo();
    letThirdGo();
    holdForReply('/next', time.nowMs)();
    holdForReply('/over', time.nowMs - HOLD_MS)();
    t.deepEqual(held, [HOLD_MS, HOLD_MS - 300, HOLD_MS - 600, HOLD_MS]);
  } finally {
    restore();
  }
});

test('only an error whose cause says so is one of a broker with too many unanswered requests', (t) => {
  const withCause = (cause?: unknown): Error => new Error('no connect', { cause });
  for (const cause of [undefined, null, 'EUNANSWERED', { code: 'EUNANSWERED' }, new Error('EUNANSWERED')])
    t.false(isUnanswered(withCause(cause)));
  const other = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
  const unanswered = Object.assign(new Error('x'), { code: 'EUNANSWERED' });
  t.deepEqual([isUnanswered(withCause(other)), isUnanswered(withCause(unanswered))], [false, true]);
});
