/** What the main thread does with the sockets of jobs that the wait thread begins, ends or leaves behind. */
import { errno } from '../../../src/os/errno.js';
import { loadNative, type Native, type SystemCalls } from '../../../src/os/native.js';
import { connectTo } from '../../../src/os/socket.js';
import {
  NOT_STARTED,
  receiveOutcome,
  recoverOrphan,
  startJob,
} from '../../../src/negotiation/wait-thread/job-sockets.js';
import { countUnanswered } from '../../../src/negotiation/sockets/broker-requests.js';
import { CloseObligation, SharedThreadState } from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { NO_PROGRESS } from '../../../src/wire/frame.js';
import { hostilePeer } from '../../hostile/peer-kit.js';
import { negotiatedWire } from '../../hostile/wires.js';
import { until } from '../../helpers/leftovers.js';
import { FFI, testWhere } from '../../helpers/test-where.js';
import { NEGOTIATED } from '../exchange/exchange-kit.js';
import { handshakeJob } from '../drivers-kit.js';

const native = loadNative();
const nativeTest = testWhere(native !== undefined, FFI);
const SLOT = 3;

/** The C library, with some calls replaced, and what is closed through it. */
function callsWith(changes: Partial<SystemCalls> = {}): {
  calls: Native;
  system: SystemCalls;
  closed: number[];
} {
  if (native === undefined) throw new Error('no C library here');
  const closed: number[] = [];
  const close = (descriptor: number): number => {
    closed.push(descriptor);
    return native.system.close(descriptor);
  };
  const system = { ...native.system, close, ...changes };
  return { calls: { system, polling: native.polling }, system, closed };
}

/** A broker that collects what it is sent, and answers when it is told to. */
async function listeningBroker(t: Parameters<typeof hostilePeer>[0]) {
  const received: number[] = [];
  let answer = (): void => {};
  const peer = await hostilePeer(t, (socket) => {
    socket.on('data', (bytes) => received.push(...bytes)).resume();
    answer = () => socket.write(negotiatedWire('/nowhere'));
  });
  return { peer, received, answer: () => answer() };
}

function connectedTo(endpoint: string): number {
  if (native === undefined) throw new Error('no C library here');
  const descriptor = native.system.openSocket();
  connectTo(native.system, descriptor, endpoint);
  return descriptor;
}

nativeTest('an orphan without an obligation is closed, and its peer is sent nothing', async (t) => {
  const { peer, received } = await listeningBroker(t);
  const { system, closed } = callsWith();
  const descriptor = connectedTo(peer.endpoint);
  recoverOrphan(system, handshakeJob(peer.endpoint), { descriptor, obligation: CloseObligation.NONE });
  t.deepEqual(closed, [descriptor]);
  t.true(await until(() => peer.accepted === 1));
  t.deepEqual(received, []);
});

nativeTest(
  'an orphan that owes its request sends all of it once, and is read until the reply (V-31)',
  async (t) => {
    const { peer, received, answer } = await listeningBroker(t);
    const job = handshakeJob(peer.endpoint);
    for (const taken of [3, 0, job.request.length]) {
      received.length = 0;
      const { system } = callsWith({
        send: (descriptor, bytes) =>
          taken === 0
            ? -(errno['EAGAIN'] ?? 0)
            : (native?.system.send(descriptor, bytes.subarray(0, taken)) ?? 0),
      });
      const descriptor = connectedTo(peer.endpoint);
      recoverOrphan(system, job, { descriptor, obligation: CloseObligation.SEND_REQUEST });
      t.true(await until(() => received.length >= job.request.length));
      t.is(countUnanswered(peer.endpoint), 1);
      answer();
      t.true(await until(() => countUnanswered(peer.endpoint) === 0), 'it is closed when the reply is in');
      t.deepEqual(received, [...job.request], `${taken} bytes were taken at first`);
    }
  },
);

nativeTest('an orphan whose request cannot be sent, or must not, is closed', async (t) => {
  const { peer, received } = await listeningBroker(t);
  const { system, closed } = callsWith({ send: () => -(errno['EPIPE'] ?? 0) });
  const first = connectedTo(peer.endpoint);
  recoverOrphan(system, handshakeJob(peer.endpoint), {
    descriptor: first,
    obligation: CloseObligation.SEND_REQUEST,
  });
  t.deepEqual(closed, [first]);
  const distrusting = handshakeJob(peer.endpoint, { trust: { userIds: [], sharedDirectories: false } });
  const trusted = callsWith();
  const second = connectedTo(peer.endpoint);
  recoverOrphan(trusted.system, distrusting, {
    descriptor: second,
    obligation: CloseObligation.SEND_REQUEST,
  });
  t.deepEqual(trusted.closed, [second]);
  t.true(await until(() => peer.accepted === 2));
  t.deepEqual(received, []);
});

nativeTest('an orphan that awaits its reply is sent nothing, and is read until the reply', async (t) => {
  const { peer, received, answer } = await listeningBroker(t);
  const { system } = callsWith();
  const descriptor = connectedTo(peer.endpoint);
  recoverOrphan(system, handshakeJob(peer.endpoint), { descriptor, obligation: CloseObligation.READ_REPLY });
  t.true(await until(() => peer.accepted === 1));
  t.is(countUnanswered(peer.endpoint), 1);
  answer();
  t.true(await until(() => countUnanswered(peer.endpoint) === 0));
  t.deepEqual(received, []);
});

nativeTest(
  'a job that begins on this thread owes its request until the system has taken all of it',
  async (t) => {
    const { peer, received } = await listeningBroker(t);
    const job = handshakeJob(peer.endpoint);
    const shared = new SharedThreadState();
    for (const [taken, obligation] of [
      [job.request.length, CloseObligation.READ_REPLY],
      [5, CloseObligation.SEND_REQUEST],
      [-(errno['EAGAIN'] ?? 0), CloseObligation.SEND_REQUEST],
    ] as const) {
      const watched: number[] = [];
      const { calls, system } = callsWith({ send: () => taken });
      const watch = { add: (descriptor: number) => watched.push(descriptor) * 0, remove: () => {} };
      const { descriptor, ...begun } = startJob(calls, shared, watch, SLOT, job);
      t.deepEqual(begun, { sent: Math.max(taken, 0), watched: obligation === CloseObligation.READ_REPLY });
      t.deepEqual(watched, begun.watched ? [descriptor] : []);
      t.deepEqual(shared.takeOver(SLOT), { descriptor, obligation });
      system.close(descriptor);
    }
    t.deepEqual(received, []);
  },
);

nativeTest(
  'a job that cannot begin on this thread leaves nothing open, and all to the wait thread',
  async (t) => {
    const { peer } = await listeningBroker(t);
    const shared = new SharedThreadState();
    const { calls, closed } = callsWith();
    t.is(startJob(calls, shared, undefined, SLOT, handshakeJob(`${peer.endpoint}-none`)), NOT_STARTED);
    t.is(closed.length, 1);
    const distrusting = handshakeJob(peer.endpoint, { trust: { userIds: [], sharedDirectories: true } });
    t.is(startJob(calls, shared, undefined, SLOT, distrusting), NOT_STARTED);
    t.is(shared.takeOver(SLOT), undefined);
  },
);

nativeTest('a connection that cannot be taken over fails, without a descriptor or a token left', (t) => {
  const { system, closed } = callsWith();
  // Not open.
  const descriptor = 1_000_000;
  const negotiated = { ...NEGOTIATED, handlePassedToken: Uint8Array.of(1, 2, 3) };
  const outcome = receiveOutcome(system, handshakeJob('/broker'), {
    slot: SLOT,
    kind: 'connected',
    descriptor,
    endpoint: '/backend',
    route: 'handle-passed',
    negotiated,
    residue: undefined,
  });
  t.like(outcome, { kind: 'failed', failure: { code: 'BACKEND_CONNECT', endpoint: '/backend' } });
  t.deepEqual([...negotiated.handlePassedToken], [0, 0, 0]);
  t.deepEqual(closed, [descriptor]);
});

nativeTest('a reply that cannot be read on the event loop is left, and its failure is handed on', (t) => {
  const { system, closed } = callsWith();
  // Not open.
  const descriptor = 1_000_000;
  const failure = { code: 'ABORTED', message: 'given up' } as const;
  const unreadReply = { descriptor, sent: 0, progress: NO_PROGRESS };
  const job = handshakeJob('/broker');
  t.like(receiveOutcome(system, job, { slot: SLOT, kind: 'failed', failure, unreadReply }), { failure });
  t.deepEqual(closed, [descriptor]);
  t.is(countUnanswered('/broker'), 0);
});

nativeTest(
  'an adopted connection has what came behind the ready event before it, and an answer is handed on',
  async (t) => {
    const { peer } = await listeningBroker(t);
    const { system } = callsWith();
    const job = handshakeJob(peer.endpoint);
    for (const residue of [Uint8Array.of(1, 2), new Uint8Array(0), undefined]) {
      const outcome = receiveOutcome(system, job, {
        slot: SLOT,
        kind: 'connected',
        descriptor: connectedTo(peer.endpoint),
        endpoint: '/backend',
        route: 'handle-passed',
        negotiated: NEGOTIATED,
        residue,
      });
      if (outcome.kind !== 'connected') return t.fail();
      t.like(outcome, { endpoint: '/backend', route: 'handle-passed', negotiated: NEGOTIATED });
      t.is(outcome.socket.readableLength, residue?.length ?? 0);
      outcome.socket.destroy();
    }
    const reply = { kind: 1, body: 'ok', exitCode: 0, contentType: '' };
    t.like(receiveOutcome(system, job, { slot: SLOT, kind: 'answered', reply }), { kind: 'answered', reply });
  },
);
