import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { LONGEST_WAIT_MS, PollLoop } from '../../../src/negotiation/wait-thread/poll-loop.js';
import {
  CloseObligation,
  type CommandPort,
  SharedThreadState,
  tokenMemory,
  type OrphanedSocket,
  type StartCommand,
  type ThreadCommand,
  type ThreadOutcome,
} from '../../../src/negotiation/wait-thread/thread-protocol.js';
import type { SystemCalls } from '../../../src/os/native.js';
import type { Poller } from '../../../src/os/poller-kinds.js';
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

const SLOT = 5;
const DESCRIPTOR = 40;
const LINGER_MS = 50;
const EAGAIN = -(errno['EAGAIN'] ?? 0);
const ENOMEM = -(errno['ENOMEM'] ?? 0);
const EPIPE = -(errno['EPIPE'] ?? 0);

const JOB = {
  kind: 'handshake',
  brokerEndpoint: BROKER,
  request: REQUEST,
  deadlineMs: DEADLINE_MS,
  roundTripTimeoutMs: 30_000,
  adoptHandedOffConnection: false,
  handoffReadyTimeoutMs: 2_000,
  trust: undefined,
} as const;

function start(changes: Partial<StartCommand> = {}): StartCommand {
  return {
    kind: 'start',
    slot: SLOT,
    job: JOB,
    descriptor: DESCRIPTOR,
    sent: REQUEST.length,
    watched: true,
    ...changes,
  };
}

/** One wait: how long it was to take, and what becomes readable. */
type Turn = (world: World, timeoutMs: number, ready: (descriptor: number) => void) => void;

/** A poll loop whose system, poller and clock are the test's. The session ends when the turns are used up. */
class World {
  readonly shared = new SharedThreadState();
  readonly commands: ThreadCommand[] = [];
  readonly outcomes: ThreadOutcome[] = [];
  readonly sent: number[][] = [];
  readonly watched: number[] = [];
  readonly closed: number[] = [];
  nowMs = 1_000;
  /** Results of the next sends; then whatever they are given. */
  sends: number[] = [];
  received: Uint8Array | undefined;
  /** The result of a look that does not wait. */
  look: (ready: (descriptor: number) => void) => void = () => {};
  /** Where the loop wanted to have what it receives. */
  receiveBuffer: Uint8Array | undefined;
  /** The poller's answer to a descriptor for its watch. */
  watchResult = 0;
  /** Results of the next connects; then 0. */
  connects: number[] = [];
  #lastDescriptor = 100;

  run(...turns: Turn[]): void {
    const system: SystemCalls = {
      openSocket: () => ++this.#lastDescriptor,
      connect: () => this.connects.shift() ?? 0,
      send: (_, bytes) => {
        this.sent.push([...bytes]);
        return this.sends.shift() ?? bytes.length;
      },
      receive: (_, into) => {
        if (this.received === undefined) return EAGAIN;
        into.set(this.received);
        this.receiveBuffer = into;
        const { length } = this.received;
        this.received = undefined;
        return length;
      },
      close: (descriptor) => this.closed.push(descriptor),
    };
    const poller: Poller = {
      add: (descriptor) => {
        this.watched.push(descriptor);
        return this.watchResult;
      },
      remove: () => {},
      wait: (timeoutMs, ready) => {
        if (timeoutMs === 0) return this.look(ready);
        const turn = turns.shift();
        if (turn === undefined) this.shared.requestStop();
        else turn(this, timeoutMs, ready);
      },
    };
    const port: CommandPort = {
      take: () => this.commands.shift(),
      post: (outcomes) => this.outcomes.push(...outcomes),
    };
    new PollLoop(system, poller, this.shared, port, () => this.nowMs).run(LINGER_MS);
  }
}

/** Time passes and nothing happens. */
const pass: Turn = (world, timeoutMs) => {
  world.nowMs += timeoutMs;
};

const reply: Turn = (world, _, ready) => {
  world.received = negotiatedFrame();
  ready(DESCRIPTOR);
};

const connected = {
  slot: SLOT,
  kind: 'connected',
  descriptor: 101,
  endpoint: NEGOTIATED.backendPipe,
  route: 'broker-negotiated',
};

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
  const memory = recordedMemory(() =>
    world.run(reply, () => world.commands.push({ kind: 'release', slot: SLOT })),
  );
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
    world.commands.push({ kind: 'release', slot: SLOT });
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

test('a wait that ends late, as after SIGCONT, looks for replies once more before jobs time out', (t) => {
  const world = new World();
  world.commands.push(start());
  world.look = (ready) => {
    world.received = negotiatedFrame();
    ready(DESCRIPTOR);
  };
  world.run(() => {
    world.nowMs = DEADLINE_MS + 1_000;
  });
  t.like(world.outcomes[0], connected);
});

test('a listener whose backlog was full is tried once more at the deadline, however late that is', (t) => {
  const world = new World();
  world.connects = [EAGAIN, EAGAIN];
  world.commands.push(start({ descriptor: -1, sent: 0, watched: false }));
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
  let left: OrphanedSocket | undefined;
  world.run(reply, () => {
    left = world.shared.takeOver(SLOT);
  });
  t.deepEqual(left, { descriptor: DESCRIPTOR, obligation: CloseObligation.NONE });
});
