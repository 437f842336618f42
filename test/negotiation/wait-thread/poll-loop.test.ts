import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { LONGEST_WAIT_MS } from '../../../src/negotiation/wait-thread/poll-loop.js';
import {
  CloseObligation,
  SharedThreadState,
  tokenMemory,
  type ThreadOutcome,
} from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { errno } from '../../../src/os/errno.js';
import { holds, recordedMemory } from '../../helpers/recorded-memory.js';
import test from '../../helpers/sanitary.js';
import {
  BROKER,
  DEADLINE_MS,
  NEGOTIATED,
  negotiatedFrame,
  REQUEST,
  TOKEN,
} from '../exchange/exchange-kit.js';
import {
  connected,
  DESCRIPTOR,
  dialled,
  EAGAIN,
  JOB,
  LINGER_MS,
  pass,
  RELEASE,
  reply,
  SLOT,
  start,
  World,
  type Turn,
} from './poll-loop-kit.js';

const ENOMEM = -(errno['ENOMEM'] ?? 0);
const EPIPE = -(errno['EPIPE'] ?? 0);

test('a job that the main thread has begun is only watched for its reply', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run(reply);
  t.deepEqual(world.sent, []);
  t.deepEqual(world.watched, [], 'the main thread has put it on watch');
  t.like(world.outcomes[0], connected);
  t.deepEqual(world.closed, [DESCRIPTOR]);
});

test('the receive buffer keeps no byte of a reply, and a job that fails leaves no token', (t) => {
  const world = new World();
  world.commands.push(start({ job: { ...JOB, adoptHandedOffConnection: true } }));
  const memory = recordedMemory(() => world.run(reply, () => world.commands.push(RELEASE)));
  t.like(world.outcomes[0], { kind: 'failed', failure: { code: 'ABORTED' } });
  t.true(world.receiveBuffer?.every((byte) => byte === 0));
  t.deepEqual(
    memory.filter((each) => holds(each, TOKEN)),
    [],
  );
});

test('the token moves to the other thread, and leaves no copy in this one', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run(reply);
  const [outcome] = world.outcomes;
  if (outcome?.kind !== 'connected') return t.fail();
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(world.outcomes, tokenMemory(world.outcomes));
  t.is(outcome.negotiated.handlePassedToken.buffer.byteLength, 0);
  const received: { message: ThreadOutcome[] } | undefined = receiveMessageOnPort(port2);
  t.like(received?.message[0], { kind: 'connected', negotiated: { ...NEGOTIATED } });
  port1.close();
});

test('an outcome without a token has no transfer list', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run((_world, _timeoutMs, ready) => {
    world.received = negotiatedFrame({ handlePassedToken: new Uint8Array(0) });
    ready(DESCRIPTOR);
  });
  t.is(world.outcomes[0]?.kind, 'connected');
  t.is(tokenMemory(world.outcomes), undefined);
});

test('a reply may be there before its command has been looked at', (t) => {
  const world = new World();
  world.run((_, timeoutMs, ready) => {
    t.is(timeoutMs, LINGER_MS);
    world.commands.push(start());
    world.received = negotiatedFrame();
    ready(DESCRIPTOR);
  });
  t.like(world.outcomes[0], connected);
});

test('a job that is given up while its reply arrives is given up, and its reply goes back unread', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run((_, __, ready) => {
    world.commands.push(RELEASE);
    world.received = negotiatedFrame();
    ready(DESCRIPTOR);
  });
  t.like(world.outcomes[0], {
    kind: 'failed',
    failure: { code: 'ABORTED' },
    unreadReply: { descriptor: DESCRIPTOR },
  });
});

test('a request of which the system took a part is sent to its end, not given up (V-31)', (t) => {
  const world = new World();
  world.commands.push(start({ sent: 1, watched: false }));
  world.sends = [2, EAGAIN];
  world.run(pass, pass, reply);
  t.deepEqual(world.sent, [
    [0, 0, 0, 0],
    [0, 0],
    [0, 0],
  ]);
  t.deepEqual(world.watched, [DESCRIPTOR], 'there can be no reply before the whole request is sent');
  t.like(world.outcomes[0], connected);
});

test('a wait that ends at a deadline or later, as after SIGCONT, looks for replies once more before jobs time out', (t) => {
  for (const endedMs of [DEADLINE_MS, DEADLINE_MS + 1_000]) {
    const world = new World();
    world.commands.push(start());
    world.look = (ready) => {
      world.received = negotiatedFrame();
      ready(DESCRIPTOR);
    };
    world.run(() => {
      world.nowMs = endedMs;
    });
    t.like(world.outcomes[0], connected);
  }
});

test('a listener whose backlog was full is tried once more at the deadline, however late that is', (t) => {
  const world = new World();
  world.connects = [EAGAIN, EAGAIN];
  world.commands.push(dialled());
  world.run(
    pass,
    () => {
      world.nowMs = DEADLINE_MS + 1_000;
    },
    reply,
  );
  t.deepEqual(world.sent, [[...REQUEST]]);
});

test('a request that the system never takes times out, and its connection goes back with the rest unsent (X-20)', (t) => {
  const world = new World();
  world.commands.push(start({ sent: 1, watched: false }));
  world.sends = Array.from({ length: 5_000 }, () => EAGAIN);
  world.run(...Array.from({ length: 5_000 }, () => pass));
  t.like(world.outcomes[0], {
    kind: 'failed',
    failure: { code: 'TIMEOUT', phase: 'hello' },
    unreadReply: { descriptor: DESCRIPTOR, sent: 1 },
  });
  t.true(world.nowMs >= DEADLINE_MS);
});

test('a connection that cannot be watched fails as one to the broker, and goes back for its reply (X-20)', (t) => {
  const world = new World();
  world.watchResult = ENOMEM;
  world.commands.push(start({ watched: false }));
  world.run();
  t.like(world.outcomes[0], {
    kind: 'failed',
    failure: { code: 'BROKER_CONNECT', endpoint: BROKER, system: { code: 'ENOMEM', syscall: 'watch' } },
    unreadReply: { descriptor: DESCRIPTOR, sent: REQUEST.length },
  });
  t.false(world.log.some((call) => call.startsWith('unwatch')));
  t.deepEqual(world.closed, []);
});

test('a send that fails ends like a broker that hung up (C-39)', (t) => {
  const world = new World();
  world.commands.push(start({ sent: 0, watched: false }));
  world.sends = [EPIPE];
  world.run();
  t.like(world.outcomes[0], {
    kind: 'failed',
    failure: { code: 'UNEXPECTED_EOF', system: { code: 'EPIPE', syscall: 'send' } },
  });
  t.deepEqual(world.closed, [DESCRIPTOR]);
});

test('the thread announces its sleep while it waits, and not while it works', (t) => {
  const world = new World();
  world.commands.push(start());
  world.nowMs = DEADLINE_MS - 100;
  world.run((_, timeoutMs) => {
    t.is(world.nowMs + timeoutMs, DEADLINE_MS);
    t.true(world.shared.sleepsPast(DEADLINE_MS - 1), 'an earlier deadline needs a wake-up');
    t.false(world.shared.sleepsPast(DEADLINE_MS), 'a later one does not');
  });
  t.false(world.shared.sleepsPast(0));
});

test('a thread that holds a job leaves its wait at least twice a second, so that what must interrupt it can', (t) => {
  const world = new World();
  world.commands.push(start());
  const waits: number[] = [];
  const record: Turn = (_, timeoutMs, ready) => {
    waits.push(timeoutMs);
    pass(world, timeoutMs, ready);
  };
  world.run(record, record, reply);
  t.deepEqual(waits, [LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
  t.true(LONGEST_WAIT_MS <= 500);
});

test('a command that comes just before the thread sleeps is taken first', (t) => {
  const world = new World();
  const { shared } = world;
  const announceSleep = shared.announceSleep.bind(shared);
  let announced = 0;
  shared.announceSleep = (untilMs) => {
    announceSleep(untilMs);
    // A driver that sends now sees the announcement, and does not wake the thread for a later deadline.
    announced += 1;
    if (announced === 1) world.commands.push(start());
  };
  world.run((_, timeoutMs) => t.is(timeoutMs, LONGEST_WAIT_MS, 'it waits for the new job'));
  t.is(announced, 3);
});

test('a job that has ended is not heard of again at its deadline, while another job goes on', (t) => {
  const other = { slot: SLOT + 1, descriptor: DESCRIPTOR + 1 };
  const garbage: Turn = (world, _, ready) => {
    world.received = Uint8Array.of(0xff);
    ready(DESCRIPTOR);
  };
  for (const [turn, kind] of [
    [reply, 'connected'],
    [garbage, 'failed'],
  ] as const) {
    const world = new World();
    world.commands.push(start(), start({ ...other, job: { ...JOB, deadlineMs: DEADLINE_MS + 60_000 } }));
    world.run(turn, () => {
      world.nowMs = DEADLINE_MS + 1_000;
    });
    t.deepEqual(
      world.outcomes.map((outcome) => [outcome.slot, outcome.kind]),
      [
        [SLOT, kind],
        [SLOT + 1, 'failed'],
      ],
    );
  }
});

test('a sleep without end is past every deadline', (t) => {
  const shared = new SharedThreadState();
  t.false(shared.sleepsPast(0));
  shared.announceSleep(Infinity);
  t.true(shared.sleepsPast(Number.MAX_SAFE_INTEGER));
  shared.announceAwake();
  t.false(shared.sleepsPast(0));
});

test('a job that waits for a handoff has no close obligation', (t) => {
  const world = new World();
  world.commands.push(start({ job: { ...JOB, adoptHandedOffConnection: true } }));
  world.run(reply, () =>
    t.deepEqual(world.owned, { descriptor: DESCRIPTOR, obligation: CloseObligation.NONE }),
  );
});
