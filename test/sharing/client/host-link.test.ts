import { BrokerPoolError } from '../../../src/errors.js';
import { HostLink } from '../../../src/sharing/client/host-link.js';
import { LeaseLog } from '../../../src/sharing/lease-log.js';
import type { ClientMessage } from '../../../src/sharing/protocol.js';
import test from '../../helpers/sanitary.js';

function linkWith(records: number): { link: HostLink; pool: LeaseLog; posted: ClientMessage[] } {
  const posted: ClientMessage[] = [];
  const pool = new LeaseLog(records);
  const port = { postMessage: (message: ClientMessage): void => void posted.push(message) };
  return { link: new HostLink(port, new LeaseLog(pool.memory)), pool, posted };
}

test('the thread knows why the pool has ended as soon as the pool has marked that', (t) => {
  const { link, pool } = linkWith(1);
  t.is(link.endedBy, undefined);
  pool.markEnded();
  t.is(link.endedBy?.code, 'POOL_CLOSED');
});

test('the end that this thread has chosen stays the reason', (t) => {
  const { link, pool } = linkWith(1);
  const reason = new BrokerPoolError('POOL_CLOSED', 'closed here');
  link.end(reason);
  pool.markEnded();
  t.is(link.endedBy, reason);
});

const ignore = (): void => {};

test('one message tells the pool’s thread of all releases and claims that it has not read', (t) => {
  const { link, pool, posted } = linkWith(8);
  link.release(1, true, false, 1);
  link.claim(2, 1);
  link.release(2, true, false, 2);
  t.deepEqual(posted, [{ kind: 'read' }]);
  pool.read(ignore, ignore);
  link.claim(3, 1);
  t.deepEqual(posted, [{ kind: 'read' }, { kind: 'read' }]);
});

test('releases and claims without room in the log are messages, and all later ones until these are read', (t) => {
  const { link, pool, posted } = linkWith(1);
  link.release(1, true, false, 1);
  link.claim(2, 1);
  pool.read(ignore, ignore);
  // There is room, but a record would be read before the message.
  link.release(2, true, true, 2);
  const messages: ClientMessage[] = [
    { kind: 'read' },
    { kind: 'claimed', acquireId: 2, connectionId: 1 },
    { kind: 'release', acquireId: 2, kept: true, everReceived: true, turn: 2 },
  ];
  t.deepEqual(posted, messages);
  pool.countMessage();
  link.claim(3, 1);
  t.is(posted.length, 4);
  pool.countMessage();
  pool.countMessage();
  link.release(3, true, false, 3);
  t.deepEqual(posted.slice(3), [{ kind: 'claimed', acquireId: 3, connectionId: 1 }, { kind: 'read' }]);
});

test('the acquires of a thread are answered when the pool has answered as many', (t) => {
  const { link, pool, posted } = linkWith(1);
  t.true(link.isAnswered);
  link.ask({ id: 1, timeoutMs: 5, askedAtMs: 2, options: { serviceName: 'demo' } });
  link.ask({ id: 2, timeoutMs: 6, askedAtMs: 3, options: { signal: new AbortController().signal } });
  const names = { serviceName: 'demo', wantedVersion: undefined };
  const none = { serviceName: undefined, wantedVersion: undefined };
  t.deepEqual(posted, [
    { kind: 'acquire', acquireId: 1, timeoutMs: 5, askedAtMs: 2, abortable: false, ...names },
    { kind: 'acquire', acquireId: 2, timeoutMs: 6, askedAtMs: 3, abortable: true, ...none },
  ]);
  pool.countAnswer();
  t.false(link.isAnswered);
  pool.countAnswer();
  t.true(link.isAnswered);
});
