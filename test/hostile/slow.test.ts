import { setImmediate as turn } from 'node:timers/promises';
import type { Outcome } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { PollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  type ThreadCommand,
  type ThreadOutcome,
} from '../../src/negotiation/wait-thread/thread-protocol.js';
import { endpointIn } from '../helpers/endpoints.js';
import { FakeClock } from '../helpers/fake-clock.js';
import test from '../helpers/sanitary.js';
import { until } from '../helpers/leftovers.js';
import { failureOf, handshakeJob } from '../negotiation/drivers-kit.js';
import { keep, say } from './hostile-peer.js';
import { hostilePeer } from './peer-kit.js';
import { header } from './wires.js';

const LIMIT_MS = 30_000;

/** Counts the timers that are set. */
class CountingClock extends FakeClock {
  scheduled = 0;

  override schedule(delayMs: number, callback: () => void): () => void {
    this.scheduled += 1;
    return super.schedule(delayMs, callback);
  }
}

test('event-loop driver: a reply of one byte a second fails at the deadline, not a byte later (G-02)', async (t) => {
  const clock = new CountingClock();
  const broker = await hostilePeer(t, keep);
  let socketCount = 0;
  let sendByte = (): Promise<void> => Promise.resolve();
  broker.conduct = (socket) => {
    socketCount += 1;
    keep(socket);
    sendByte = () => say(socket, Uint8Array.of(1));
    void say(socket, header(16_000_000));
  };
  const driver = new EventLoopDriver(clock, undefined);
  const outcomes: Outcome[] = [];
  driver.start(
    handshakeJob(broker.endpoint, { deadlineMs: clock.now() + LIMIT_MS, roundTripTimeoutMs: LIMIT_MS }),
    (outcome) => outcomes.push(outcome),
  );
  t.true(await until(() => socketCount === 1));
  for (let second = 1; second < LIMIT_MS / 1_000; second++) {
    await sendByte();
    for (let count = 0; count < 5; count++) await turn();
    clock.advance(1_000);
    t.is(outcomes.length, 0, `after ${second} s`);
  }
  clock.advance(1_000);
  const [outcome] = outcomes;
  if (outcome === undefined) return t.fail('still waiting');
  t.like(failureOf(outcome), { code: 'TIMEOUT', phase: 'hello' });
  // A timer that each byte sets anew would never fire while bytes keep coming.
  t.true(clock.scheduled <= 2, `${clock.scheduled} timers for one deadline`);
  await driver.close();
});

test('wait loop: a reply of one byte a second fails at the deadline, not a byte later (G-02)', (t) => {
  let nowMs = 0;
  const start: ThreadCommand = {
    kind: 'start',
    slot: 0,
    job: handshakeJob(endpointIn('/', 'broker'), {
      deadlineMs: LIMIT_MS,
      roundTripTimeoutMs: LIMIT_MS,
      trust: undefined,
    }),
    descriptor: 99,
    sent: Infinity,
    watched: false,
  };
  const commands = [start];
  const outcomes: { outcome: ThreadOutcome; atMs: number }[] = [];
  let bytes = 0;
  const stream = header(16_000_000);
  new PollLoop(
    {
      openSocket: () => -1,
      connect: () => -1,
      send: () => -1,
      close: () => 0,
      receive: (_descriptor, into) => {
        into[0] = stream[bytes++] ?? 0;
        return 1;
      },
    },
    {
      add: () => 0,
      remove: () => {},
      wait: (timeoutMs, ready) => {
        nowMs += Math.min(timeoutMs, 1_000);
        if (outcomes.length === 0) ready(99);
      },
    },
    new SharedThreadState(),
    {
      take: () => commands.shift(),
      post: (posted) => outcomes.push(...posted.map((outcome) => ({ outcome, atMs: nowMs }))),
    },
    () => nowMs,
  ).run(50);
  t.is(outcomes.length, 1);
  t.is(outcomes[0]?.atMs, LIMIT_MS);
  t.like(outcomes[0]?.outcome, {
    kind: 'failed',
    failure: { code: 'TIMEOUT', phase: 'hello' },
    unreadReply: { descriptor: 99 },
  });
});
