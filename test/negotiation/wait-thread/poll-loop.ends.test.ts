/** How jobs in a poll loop end, and what the loop leaves open, watched and owed at each step. */
import { LONGEST_WAIT_MS } from '../../../src/negotiation/wait-thread/poll-loop.js';
import { CloseObligation, type StartCommand } from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { errno } from '../../../src/os/errno.js';
import test from '../../helpers/sanitary.js';
import {
  adminFrame,
  BROKER,
  DEADLINE_MS,
  NEGOTIATED,
  negotiatedFrame,
  readyFrame,
  REQUEST,
} from '../exchange/exchange-kit.js';
import {
  arrive,
  connected,
  DESCRIPTOR,
  dialled,
  EAGAIN,
  JOB,
  LINGER_MS,
  OPENED,
  pass,
  RELEASE,
  reply,
  SLOT,
  start,
  World,
  type Turn,
} from './poll-loop-kit.js';

const ECONNREFUSED = -(errno['ECONNREFUSED'] ?? 0);
const ECONNRESET = -(errno['ECONNRESET'] ?? 0);
const EMFILE = -(errno['EMFILE'] ?? 0);
const ADOPTING = { ...JOB, adoptHandedOffConnection: true } as const;
const OTHER_SLOT = SLOT + 1;
/** What the backend sends behind the ready event. */
const RESIDUE = Uint8Array.of(1, 2, 3);

/** A second job, which ends when the test says so. */
const other = (deadlineMs = DEADLINE_MS): StartCommand =>
  start({ slot: OTHER_SLOT, descriptor: DESCRIPTOR + 1, job: { ...JOB, deadlineMs } });

/** Time passes, and how much of it is noted. */
const notedIn =
  (waits: number[]): Turn =>
  (world, timeoutMs) => {
    waits.push(timeoutMs);
    world.nowMs += timeoutMs;
  };

const times = (count: number, turn: Turn): Turn[] => Array.from({ length: count }, () => turn);

test('a loop returns once it has held no job for its linger', (t) => {
  const world = new World();
  const waits: number[] = [];
  const noted = notedIn(waits);
  world.commands.push(start());
  world.run(noted, reply, noted, () => t.fail('it has returned'));
  t.deepEqual(waits, [LONGEST_WAIT_MS, LINGER_MS]);
  t.false(world.shared.stopRequested);
});

test('a loop that is told to stop hands back jobs whose commands it has not looked at', (t) => {
  const world = new World();
  world.commands.push(start());
  world.shared.requestStop();
  world.run();
  t.like(world.outcomes, [
    { kind: 'failed', failure: { code: 'ABORTED' }, unreadReply: { descriptor: DESCRIPTOR } },
  ]);
});

test('an outcome is handed over before the loop sleeps, and before further jobs begin', (t) => {
  const world = new World();
  world.connects = [ECONNREFUSED];
  world.commands.push(other(), dialled());
  world.run(
    () => t.deepEqual(world.log, ['open', 'connect', `close ${OPENED}`, 'post 1']),
    (_, __, ready) => {
      world.log.length = 0;
      world.received = negotiatedFrame();
      ready(DESCRIPTOR + 1);
      world.commands.push(dialled());
    },
    () => {
      const [posted, opened] = [world.log.indexOf('post 1'), world.log.lastIndexOf('open')];
      t.true(posted >= 0 && posted < opened, world.log.join(', '));
    },
  );
});

test('a loop without outcomes posts nothing', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run(pass, pass, () => t.deepEqual(world.log, []));
});

test('a release that crosses the end of its job on the way is ignored', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run(reply, () => world.commands.push(RELEASE), pass);
  t.deepEqual(
    world.outcomes.map(({ kind }) => kind),
    ['connected'],
  );
});

test('a broker whose backlog stays full is asked on one socket, after ever longer pauses, until the deadline', (t) => {
  const world = new World();
  const waits: number[] = [];
  world.connects = Array.from({ length: 100 }, () => EAGAIN);
  world.commands.push(dialled({ job: { ...JOB, deadlineMs: world.nowMs + 100, roundTripTimeoutMs: 100 } }));
  world.run(...times(100, notedIn(waits)));
  t.deepEqual(waits.slice(0, 11), [0.5, 1, 2, 4, 8, 16, 16, 16, 16, 16, 4.5]);
  t.like(world.outcomes, [
    {
      kind: 'failed',
      failure: { code: 'TIMEOUT', phase: 'connect', endpoint: BROKER },
      unreadReply: undefined,
    },
  ]);
  t.deepEqual(world.log, [
    'open',
    ...Array.from({ length: 12 }, () => 'connect'),
    `close ${OPENED}`,
    'post 1',
  ]);
});

test('the dial of a backend whose backlog is full has the time of a round trip of its own', (t) => {
  const world = new World();
  world.commands.push(start({ job: { ...JOB, roundTripTimeoutMs: 100 } }));
  world.connects = Array.from({ length: 100 }, () => EAGAIN);
  world.run(pass, reply, ...times(11, pass));
  t.is(world.nowMs, 1_000 + LONGEST_WAIT_MS + 100);
  t.like(world.outcomes, [
    {
      kind: 'failed',
      failure: { code: 'TIMEOUT', phase: 'connect', endpoint: NEGOTIATED.backendPipe },
      unreadReply: undefined,
    },
  ]);
  t.deepEqual(world.closed, [DESCRIPTOR, OPENED]);
});

for (const [syscall, code, prepare] of [
  ['connect', 'ECONNREFUSED', (world: World) => (world.connects = [ECONNREFUSED])],
  ['socket', 'EMFILE', (world: World) => (world.opens = [EMFILE])],
] as const)
  test(`a ${syscall} that fails with ${code} is a failure that names the peer, and leaves nothing open`, (t) => {
    const opened = syscall === 'socket' ? [] : [OPENED];
    const system = { code, syscall };
    const toBroker = new World();
    prepare(toBroker);
    toBroker.commands.push(dialled());
    toBroker.run(pass);
    t.like(toBroker.outcomes, [
      {
        kind: 'failed',
        failure: { code: 'BROKER_CONNECT', endpoint: BROKER, system },
        unreadReply: undefined,
      },
    ]);
    t.deepEqual([toBroker.closed, toBroker.sent, toBroker.owned], [opened, [], undefined]);
    const toBackend = new World();
    prepare(toBackend);
    toBackend.commands.push(start());
    toBackend.run(reply);
    t.like(toBackend.outcomes, [
      {
        kind: 'failed',
        failure: { code: 'BACKEND_CONNECT', endpoint: NEGOTIATED.backendPipe, system },
        unreadReply: undefined,
      },
    ]);
    t.regex(JSON.stringify(toBackend.outcomes[0]), /negotiated backend/);
    t.deepEqual([toBackend.closed, toBackend.owned], [[DESCRIPTOR, ...opened], undefined]);
  });

test('a wake-up without bytes changes nothing', (t) => {
  const world = new World();
  world.commands.push(start());
  world.run((_, __, ready) => ready(DESCRIPTOR), reply);
  t.like(world.outcomes, [connected]);
});

for (const [what, received, system] of [
  ['ends', new Uint8Array(0), undefined],
  ['is reset', ECONNRESET, { code: 'ECONNRESET', syscall: 'recv' }],
] as const)
  test(`a broker connection that ${what} without a reply is a hang-up, and is closed (C-39)`, (t) => {
    const world = new World();
    world.commands.push(start());
    world.run(arrive(received));
    t.like(world.outcomes, [
      {
        kind: 'failed',
        failure: { code: 'UNEXPECTED_EOF', endpoint: BROKER, system },
        unreadReply: undefined,
      },
    ]);
    t.deepEqual(world.closed, [DESCRIPTOR]);
  });

test('a send that takes no byte is repeated', (t) => {
  const world = new World();
  world.sends = [0];
  world.commands.push(start({ sent: 0, watched: false }));
  world.run(pass, reply);
  t.deepEqual(world.sent, [[...REQUEST], [...REQUEST]]);
  t.like(world.outcomes, [connected]);
});

test('the ledger says at each step what the broker of a dialled job is owed, and the backend is owed nothing', (t) => {
  const world = new World();
  const { SEND_REQUEST, READ_REPLY, READ_REST, NONE } = CloseObligation;
  const owed = (): unknown => [world.owned?.descriptor, world.owned?.obligation];
  const wire = negotiatedFrame();
  world.commands.push(dialled());
  world.connects = [EAGAIN, 0, EAGAIN];
  world.run(
    (_, timeoutMs) => {
      t.deepEqual(owed(), [OPENED, SEND_REQUEST]);
      world.nowMs += timeoutMs;
    },
    (_, __, ready) => {
      t.deepEqual(owed(), [OPENED, READ_REPLY]);
      world.received = wire.subarray(0, 3);
      ready(OPENED);
      t.deepEqual(owed(), [OPENED, READ_REST]);
    },
    arrive(wire.subarray(3), OPENED),
    () => t.deepEqual(owed(), [OPENED + 1, NONE]),
  );
  t.deepEqual(
    world.log.filter((call) => call.includes('obligation')),
    [SEND_REQUEST, READ_REST, READ_REST].map(
      (obligation, index) => `${index === 0 ? 'send' : 'receive'} with obligation ${obligation}`,
    ),
  );
});

test('a connection leaves the watch, and then the ledger, before it is closed', (t) => {
  const world = new World();
  world.commands.push(start({ watched: false }));
  world.run(reply);
  t.deepEqual(world.log.slice(0, 5), [
    `watch ${DESCRIPTOR}`,
    `receive with obligation ${CloseObligation.READ_REST}`,
    `unwatch ${DESCRIPTOR}`,
    `close ${DESCRIPTOR}`,
    'open',
  ]);
});

test('a connection that was never on the watch is not taken off it', (t) => {
  const world = new World();
  world.commands.push(dialled());
  world.connects = [ECONNREFUSED];
  world.run(pass);
  t.false(world.log.some((call) => call.startsWith('unwatch')));
});

for (const [how, turns] of [
  ['at once', [arrive(Buffer.concat([negotiatedFrame(), readyFrame(), RESIDUE]))]],
  ['after a wait', [reply, arrive(Buffer.concat([readyFrame(), RESIDUE]))]],
] as const)
  test(`a connection that is adopted ${how} is handed over off the watch, open, and owing nothing`, (t) => {
    const world = new World();
    world.commands.push(start({ job: ADOPTING }));
    world.run(...turns);
    t.like(world.outcomes, [
      { ...connected, descriptor: DESCRIPTOR, route: 'handle-passed', residue: RESIDUE },
    ]);
    t.deepEqual(world.closed, []);
    t.true(world.log.includes(`unwatch ${DESCRIPTOR}`));
    t.deepEqual(world.owned, { descriptor: DESCRIPTOR, obligation: CloseObligation.NONE });
  });

test('while the ready event of a handoff is read the broker is owed nothing: its reply is in', (t) => {
  const world = new World();
  world.commands.push(start({ job: ADOPTING }));
  world.run(reply, arrive(readyFrame()));
  t.true(world.log.includes(`receive with obligation ${CloseObligation.NONE}`), world.log.join(', '));
});

test('a handoff wait ends after its own time, also beside a job that is due later', (t) => {
  const world = new World();
  world.commands.push(start({ job: ADOPTING }), other(world.nowMs + 10_000));
  world.run(reply, ...times(4, pass));
  t.like(world.outcomes[0], connected);
  t.is(world.nowMs, 1_000 + JOB.handoffReadyTimeoutMs);
});

test('an admin reply is the outcome, and its connection is closed', (t) => {
  const world = new World();
  const { kind: _, ...rest } = JOB;
  world.commands.push(start({ job: { ...rest, kind: 'admin' } }));
  world.run(arrive(adminFrame({ body: 'ok' })));
  t.like(world.outcomes, [{ slot: SLOT, kind: 'answered', reply: { body: 'ok' } }]);
  t.deepEqual(world.closed, [DESCRIPTOR]);
});

test('a job that is given up hands its connection back while a reply is owed, and else closes it (X-20)', (t) => {
  const release: Turn = (world) => world.commands.push(RELEASE);
  for (const [what, command, prepare, turns, unreadReply, closed] of [
    ['in the backlog', dialled(), (world: World) => (world.connects = [EAGAIN]), [], undefined, [OPENED]],
    [
      'half sent',
      start({ sent: 1, watched: false }),
      (world: World) => (world.sends = [1, EAGAIN]),
      [pass],
      { descriptor: DESCRIPTOR, sent: 2 },
      [],
    ],
    ['sent', start(), () => {}, [], { descriptor: DESCRIPTOR, sent: REQUEST.length }, []],
    ['in the handoff wait', start({ job: ADOPTING }), () => {}, [reply], undefined, [DESCRIPTOR]],
    [
      'on its way to the backend',
      start(),
      (world: World) => (world.connects = [EAGAIN]),
      [reply],
      undefined,
      [DESCRIPTOR, OPENED],
    ],
  ] as const) {
    const world = new World();
    prepare(world);
    world.commands.push(command);
    world.run(...turns, release, pass);
    t.like(world.outcomes, [{ kind: 'failed', failure: { code: 'ABORTED' }, unreadReply }], what);
    t.deepEqual(world.closed, closed, what);
  }
});
