import { backlogFailure } from '../../src/negotiation/connect-failures.js';
import { abandonedFailure, connectFailure } from '../../src/negotiation/connect-failures.js';
import { exchangeFor, type Job } from '../../src/negotiation/job.js';
import { AdminExchange } from '../../src/negotiation/exchange/admin-exchange.js';
import { Handshake } from '../../src/negotiation/exchange/handshake.js';
import test from '../helpers/sanitary.js';
import { BROKER, DEADLINE_MS, REQUEST } from './exchange/exchange-kit.js';

const system = { code: 'ENOENT', syscall: 'connect', message: 'connect ENOENT /a' };
const base = {
  brokerEndpoint: BROKER,
  request: REQUEST,
  deadlineMs: DEADLINE_MS,
  roundTripTimeoutMs: 30_000,
  trust: undefined,
};
const admin: Job = { ...base, kind: 'admin' };
const hello: Job = {
  ...base,
  kind: 'handshake',
  adoptHandedOffConnection: false,
  handoffReadyTimeoutMs: 2_000,
};

test('the code of a failed connect names the peer: the broker or the backend (C-18, C-30)', (t) => {
  t.deepEqual(connectFailure('broker', '/a', system), {
    code: 'BROKER_CONNECT',
    message: 'failed to connect to broker: connect ENOENT /a',
    endpoint: '/a',
    system,
  });
  for (const peer of ['negotiated backend', 'backend'] as const)
    t.deepEqual(connectFailure(peer, '/a', system), {
      code: 'BACKEND_CONNECT',
      message: `failed to connect to ${peer}: connect ENOENT /a`,
      endpoint: '/a',
      system,
    });
});

test('a backlog that stays full is a timeout of the connect; an abstract name is printable', (t) => {
  const message = 'connect to @name timed out after 250 ms: its backlog stayed full';
  t.deepEqual(backlogFailure('\0name', 250), {
    code: 'TIMEOUT',
    phase: 'connect',
    message,
    endpoint: '\0name',
  });
});

test('a job given up fails as ABORTED', (t) => {
  t.like(abandonedFailure(hello), { code: 'ABORTED', endpoint: BROKER });
});

test('each kind of job has its exchange', (t) => {
  t.true(exchangeFor(hello) instanceof Handshake);
  t.true(exchangeFor(admin) instanceof AdminExchange);
  for (const job of [hello, admin]) t.like(exchangeFor(job), { request: REQUEST, deadlineMs: DEADLINE_MS });
});
