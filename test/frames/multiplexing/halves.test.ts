import type { ExecutionContext } from 'ava';
import type { Session, SessionOptions } from '../../../src/frames/index.js';
import type { AcquireOptions, Lease } from '../../../src/index.js';
import test from '../../helpers/sanitary.js';
import type { BackendConnection, OnRequest } from '../frame-backend.js';
import { bytes, openPooled, startPooled, text } from '../kit.js';

const CALLERS = 16;

/** Answers so many requests of a connection in one write. */
function answerTogether(connection: BackendConnection, count: number): void {
  connection.socket.cork();
  for (const request of connection.requests.splice(0, count)) connection.answer(request, request.payload);
  connection.socket.uncork();
}

const whenAllAreThere: OnRequest = (_, connection) => {
  if (connection.requests.length === CALLERS) answerTogether(connection, CALLERS);
};

/** A session that writes into `log` when it writes to a connection. */
async function openLogged(
  t: ExecutionContext,
  log: string[],
  onRequest: OnRequest,
  options: Partial<SessionOptions> = { connections: 1 },
): Promise<Session> {
  const { pool } = await startPooled(t, onRequest);
  const logged = {
    acquire: async (wishes?: AcquireOptions): Promise<Lease> => {
      const lease = await pool.acquire(wishes);
      const write = lease.socket.write.bind(lease.socket);
      lease.socket.write = (content: string | Uint8Array) => {
        log.push('write');
        return write(content);
      };
      return lease;
    },
  };
  return openPooled(t, logged, options);
}

test('callers of the first half of a long read ask again before the second half is read', async (t) => {
  const log: string[] = [];
  const session = await openLogged(t, log, whenAllAreThere);
  const caller = async (_: unknown, index: number): Promise<void> => {
    t.is(text(await session.request(bytes(String(index)))), String(index));
    log.push('answer');
    await session.request(bytes('again'));
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const half = Array.from({ length: CALLERS / 2 }, () => 'answer');
  t.deepEqual(log, ['write', ...half, 'write', ...half, 'write']);
});

test('a long read is read in one go while another connection has requests in flight', async (t) => {
  const log: string[] = [];
  const connections = new Set<BackendConnection>();
  const session = await openLogged(
    t,
    log,
    (_, connection) => {
      connections.add(connection);
      const [first, second] = connections;
      // The second connection keeps its requests.
      if (first !== undefined && first.requests.length + (second?.requests.length ?? 0) === CALLERS * 2)
        answerTogether(first, CALLERS);
    },
    { connections: 2, maxInFlight: CALLERS },
  );
  let answers = 0;
  await new Promise<void>((resolve, reject) => {
    const caller = async (): Promise<void> => {
      await session.request(bytes('x'));
      log.push('answer');
      if (++answers === CALLERS) resolve();
      await session.request(bytes('again'));
    };
    for (let index = 0; index < CALLERS * 2; index++) caller().catch(reject);
  });
  const all = Array.from({ length: CALLERS }, () => 'answer');
  t.deepEqual(log.slice(log.indexOf('answer')), all);
});

test('all answers arrive that came together with the end of the connection', async (t) => {
  const session = await openLogged(t, [], (request, connection) => {
    whenAllAreThere(request, connection);
    if (connection.requests.length === 0) connection.socket.end();
  });
  const names = Array.from({ length: CALLERS }, (_, index) => String(index));
  const answers = await Promise.all(names.map((name) => session.request(bytes(name))));
  t.deepEqual(answers.map(text), names);
});

test('a request that is given up between the two halves of a read gets no answer, and harms no other', async (t) => {
  const session = await openLogged(t, [], whenAllAreThere);
  const controllers = Array.from({ length: CALLERS }, () => new AbortController());
  const outcomes = await Promise.all(
    controllers.map(async ({ signal }, index) => {
      try {
        const answer = text(await session.request(bytes(String(index)), { signal }));
        if (index === 0) controllers[CALLERS - 1]!.abort();
        return answer;
      } catch {
        return 'aborted';
      }
    }),
  );
  const expected = Array.from({ length: CALLERS - 1 }, (_, index) => String(index));
  t.deepEqual(outcomes, [...expected, 'aborted']);
  t.is(session.stats().unaskedFrames, 1);
});
