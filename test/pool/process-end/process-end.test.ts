import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { heard } from '../../hostile/hostile-peer.js';
import { hostilePeer } from '../../hostile/peer-kit.js';
import { HOLD_MS } from '../../../src/negotiation/sockets/broker-requests.js';
import { loadNative } from '../../../src/os/native.js';
import type { BrokerBehaviour, TestTarget } from '../../../src/testing/index.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import { patience, scaled } from '../../helpers/patience.js';
import { negotiatedFrame } from '../../negotiation/exchange/exchange-kit.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url));

/**
 * A second for the broker's sake, and what a loaded machine adds: with three processes to run for each processor, the
 * start of a wait thread takes seconds. What kept the process in the past did so for 12 s and more.
 */
const mostMs = (): number => 9_000 * Math.max(1, patience() / 3);

const ANSWER: BrokerBehaviour = { kind: 'answer' };
const SILENT: BrokerBehaviour = { kind: 'silent' };
const COME_BACK_LATER: BrokerBehaviour = {
  kind: 'refuse',
  code: RefusalCode.RATE_LIMITED,
  reason: 'spawning',
  retryAfterMs: 20_000,
};
/** A handoff is offered, and its ready event never comes. */
const NEVER_READY: BrokerBehaviour = { kind: 'lateReady', wait: new Promise(() => {}) };

/** The end of a program, and how long after its last line, and after its first one, it ended. */
interface End {
  readonly outcome: string;
  readonly afterMs: number;
  readonly lastedMs: number;
}

async function run(t: ExecutionContext, what: string, behaviour: BrokerBehaviour): Promise<End> {
  const { broker, target } = await startSystem(t);
  broker.behaviour = behaviour;
  if (behaviour === SILENT) broker.adminBehaviour = { kind: 'silent' };
  return await runWith(what, target);
}

/** Programs that run at a time: all at once they would keep each other from ending in time. */
const LANES = Array.from({ length: 6 }, (): Promise<unknown> => Promise.resolve());

/** Runs a program when the one before it in its lane has ended. */
function runWith(what: string, target: TestTarget): Promise<End> {
  const end = (LANES.shift() ?? Promise.resolve()).then(() => start(what, target));
  LANES.push(end.catch(() => {}));
  return end;
}

async function start(what: string, target: TestTarget): Promise<End> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, what, JSON.stringify(target)], {
    timeout: scaled(30_000),
  });
  const [outcome = '', afterMs = '', lastedMs = ''] = stdout.split(' ');
  return { outcome, afterMs: Number(afterMs), lastedMs: Number(lastedMs) };
}

/** What no caller waits for any more, how the broker behaves, and what the caller heard. */
const ENDS: readonly (readonly [
  what: string,
  broker: string,
  behaviour: BrokerBehaviour,
  outcome: string,
])[] = [
  ['a pool that keeps min connections', 'a silent broker', SILENT, 'done'],
  ['a pool that keeps min connections by handoffs', 'a silent broker', SILENT, 'done'],
  ['a pool whose Hellos time out sooner than their pauses', 'a silent broker', SILENT, 'done'],
  ['a caller whose time is up', 'a silent broker', SILENT, 'TIMEOUT'],
  ['a caller who gives up', 'a silent broker', SILENT, 'ABORTED'],
  ['a caller who gives up', 'a broker that asks to come back in 20 s', COME_BACK_LATER, 'ABORTED'],
  ['a caller who gives up a handoff', 'a silent broker', SILENT, 'ABORTED'],
  ['a caller who gives up a handoff', 'a backend that does not take over', NEVER_READY, 'ABORTED'],
  ['callers who give up on more targets than the event loop waits for', 'a silent broker', SILENT, 'done'],
  ['a caller of warm who gives up', 'a silent broker', SILENT, 'ABORTED'],
  ['a pool in a worker thread', 'a silent broker', SILENT, 'done'],
  // Connections are shared by descriptors, which takes the C library.
  ...(loadNative() === undefined
    ? []
    : [['a caller in a thread that shares the pool', 'a silent broker', SILENT, 'done'] as const]),
  ['a caller who gives up while validate is asked', 'a broker in health', ANSWER, 'TIMEOUT'],
  ['a single connect whose time is up', 'a silent broker', SILENT, 'TIMEOUT'],
  ['an admin request that is given up', 'a silent broker', SILENT, 'ABORTED'],
];

for (const [what, broker, behaviour, outcome] of ENDS) {
  test(`a finished program ends, though it has ${what} and ${broker} (G-09)`, async (t) => {
    const end = await run(t, what, behaviour);
    t.is(end.outcome, outcome);
    t.true(end.afterMs < mostMs(), `${end.afterMs} ms after its last line`);
  });
}

test('a finished program ends, though its pools have begun Hellos one after the other with a broker that hangs up late (G-09)', async (t) => {
  const broker = await hostilePeer(t, async (socket) => {
    await heard(socket);
    await delay(900);
    socket.destroy();
  });
  const end = await runWith('sixty pools that keep min connections', {
    brokerEndpoint: broker.endpoint,
    serviceName: 'demo',
    wantedVersion: '1.0.0',
  });
  t.is(end.outcome, 'done');
  t.true(end.afterMs < mostMs(), `${end.afterMs} ms after its last line`);
});

test('a finished program stays for a second from its Hello for a broker that is in the middle of its reply (G-16)', async (t) => {
  const broker = await hostilePeer(t, async (socket) => {
    await heard(socket);
    socket.write(negotiatedFrame().subarray(0, 2));
  });
  const end = await runWith('a caller whose time is up', {
    brokerEndpoint: broker.endpoint,
    serviceName: 'demo',
    wantedVersion: '1.0.0',
  });
  t.is(end.outcome, 'TIMEOUT');
  // A timer may fire a millisecond early.
  t.true(end.lastedMs >= HOLD_MS - 2, `${end.lastedMs} ms`);
});

/** Waits of a caller that nothing else but the wait keeps alive. */
const WAITS: readonly (readonly [
  what: string,
  broker: string,
  behaviour: BrokerBehaviour,
  outcome: string,
])[] = [
  ['a caller with time', 'a silent broker', SILENT, 'TIMEOUT'],
  [
    'a caller with time',
    'a broker that refuses at first',
    { kind: 'refuse', code: RefusalCode.RATE_LIMITED, retryAfterMs: 1_500 },
    'REFUSED',
  ],
  ['a caller of a handoff with time', 'a silent broker', SILENT, 'TIMEOUT'],
  ['a caller of a handoff with time', 'a backend that does not take over', NEVER_READY, 'TIMEOUT'],
  ['a caller of warm with time', 'a silent broker', SILENT, 'TIMEOUT'],
  ['a caller of warm without min', 'a silent broker', SILENT, 'done'],
  ['a caller of close while a handoff is awaited', 'a backend that does not take over', NEVER_READY, 'done'],
  ['a caller who waits for validate', 'a broker in health', ANSWER, 'TIMEOUT'],
  ['a single connect with time', 'a silent broker', SILENT, 'TIMEOUT'],
];

for (const [what, broker, behaviour, outcome] of WAITS) {
  test(`the process stays for ${what} and ${broker}`, async (t) => {
    t.is((await run(t, what, behaviour)).outcome, outcome);
  });
}
