/** Each caller gets its own error object, with its own counts and stack. */
import {
  connectToBackend,
  sendAdminRequest,
  type BrokerPool,
  type BrokerPoolError,
} from '../../../src/index.js';
import { startTestSystem } from '../../../src/testing/index.js';
import { FAKE_BROKER } from '../../helpers/endpoints.js';
import { fakePool, REFUSAL } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

const TARGET = { endpoint: FAKE_BROKER, serviceName: 'demo', wantedVersion: '1.0.0' };

async function theCallerOfThisTest(
  pool: BrokerPool,
  options?: Parameters<BrokerPool['acquire']>[0],
): Promise<void> {
  await pool.acquire(options);
}

test('callers that wait for one connect have an error object each, and share its cause', async (t) => {
  const { pool, fail } = fakePool(t);
  const failures = Array.from({ length: 5 }, () => failureOf(pool.acquire()));
  await fail(REFUSAL);
  const errors = await Promise.all(failures);
  t.is(new Set(errors).size, 5);
  t.is(new Set(errors.map(({ cause }) => cause)).size, 1);
  t.like(errors[0]?.cause, { code: 'REFUSED', message: REFUSAL.message });
  for (const error of errors)
    t.like(error, {
      ...TARGET,
      code: 'REFUSED',
      refusalKind: 'serviceUnknown',
      refusalCode: 2,
      attempts: 1,
      elapsedMs: 0,
    });
});

test("a failure of the system is the cause of each caller's error", async (t) => {
  const { pool, fail } = fakePool(t);
  const failures = [failureOf(pool.acquire()), failureOf(pool.acquire())];
  await fail({
    code: 'BROKER_CONNECT',
    message: 'down',
    endpoint: FAKE_BROKER,
    system: { code: 'ENOENT', syscall: 'connect', message: 'gone' },
  });
  const [one, other] = await Promise.all(failures);
  t.like(one?.cause, { code: 'ENOENT', syscall: 'connect' });
  t.is(one?.cause, other?.cause);
});

/** Events that end a waiting acquire with an error. */
const ends: Readonly<Record<string, (fake: ReturnType<typeof fakePool>, abort: AbortController) => unknown>> =
  {
    'a failed connect': ({ fail }) => fail(),
    'its deadline': ({ pass }) => pass(100),
    'its signal': (_fake, abort) => abort.abort(),
    'the end of the pool': ({ pool }) => pool.destroy(),
  };

for (const [what, end] of Object.entries(ends)) {
  test(`the stack of an error after a wait ended by ${what} names the caller of acquire`, async (t) => {
    const fake = fakePool(t);
    const abort = new AbortController();
    const failure = failureOf(theCallerOfThisTest(fake.pool, { timeoutMs: 100, signal: abort.signal }));
    const among = failureOf(
      Promise.all([fake.pool.acquire({ timeoutMs: 100, signal: abort.signal }), new Promise(() => {})]),
    );
    await end(fake, abort);
    const { stack = '' } = await failure;
    t.regex(stack.split('\n')[0] ?? '', /^BrokerPoolError: /);
    t.regex(stack, /at async theCallerOfThisTest \(.*own-errors\.test/);
    t.regex((await among).stack ?? '', /at async Promise\.all \(index 0\)/);
  });
}

test('the stack of an error without a wait names the caller of acquire', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1, maxWaiting: 0 });
  const acquiring = pool.acquire();
  await connect();
  await acquiring;
  const { code, stack = '' } = await failureOf(theCallerOfThisTest(pool));
  t.is(code, 'QUEUE_FULL');
  t.regex(stack, /at theCallerOfThisTest \(.*own-errors\.test/);
});

test('acquireFailed carries the same error object that the caller gets', async (t) => {
  const { pool, fail } = fakePool(t);
  const told: BrokerPoolError[] = [];
  pool.on('acquireFailed', ({ error }) => told.push(error));
  const failures = [failureOf(pool.acquire()), failureOf(pool.acquire())];
  await fail();
  t.deepEqual(told, await Promise.all(failures));
  t.is(told[0], await failures[0]);
});

test('attempts counts the attempts under way or begun while the caller waited', async (t) => {
  const { pool, fail, pass } = fakePool(t, { maxConnecting: 1 });
  const busy = { ...REFUSAL, refusalKind: 'rateLimited', refusalCode: 4 } as const;
  const first = failureOf(pool.acquire({ timeoutMs: 1_000 }));
  await fail(busy);
  await pass(30);
  const second = failureOf(pool.acquire({ timeoutMs: 1_000 }));
  await fail(busy);
  await pass(50);
  await fail();
  t.like(await first, { attempts: 3, elapsedMs: 80 });
  t.like(await second, { attempts: 2, elapsedMs: 50 });
});

test('a TIMEOUT in phase queue names the leased count, max, and 0 attempts', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  await acquiring;
  const failure = failureOf(pool.acquire({ timeoutMs: 100 }));
  await pass(100);
  const error = await failure;
  t.like(error, { ...TARGET, code: 'TIMEOUT', phase: 'queue', attempts: 0, elapsedMs: 100 });
  t.regex(
    error.message,
    /^no connection within 100 ms in phase queue \(demo 1\.0\.0 at .*broker.*: .*leased 1, max 1, 0 attempts in 100 ms\)\. Raise max, or hold leases for less time\.$/,
  );
});

test('the message of a TIMEOUT names the last connect failure', async (t) => {
  const { pool, fail, pass } = fakePool(t);
  const failure = failureOf(pool.acquire({ timeoutMs: 1_000 }));
  await fail({ ...REFUSAL, message: 'busy', refusalKind: 'rateLimited', refusalCode: 4, retryAfterMs: 900 });
  await pass(1_000);
  t.regex((await failure).message, /connecting failed last with REFUSED: busy/);
});

test('errors of warm and of a closed pool carry target and attempts', async (t) => {
  const { pool, fail } = fakePool(t, { min: 1 });
  const warming = failureOf(pool.warm());
  await fail(REFUSAL);
  const error = await warming;
  t.like(error, { ...TARGET, code: 'REFUSED', attempts: 1 });
  t.like(error.cause, { code: 'REFUSED' });
  await pool.close();
  const closed = { ...TARGET, code: 'POOL_CLOSED', attempts: 0, elapsedMs: 0 };
  t.like(await failureOf(pool.acquire()), closed);
  t.like(await failureOf(pool.warm()), closed);
  t.like(await failureOf((async () => pool.share())()), closed);
});

test("errors of one-shot calls carry the same, with the broker's reason and the caller's stack", async (t) => {
  await using system = await startTestSystem();
  system.broker.behaviour = { kind: 'refuse', code: 7, reason: 'out of luck' };
  async function theCaller(): Promise<void> {
    await connectToBackend(system.target);
  }
  const refused = await failureOf(theCaller());
  t.like(refused, {
    code: 'REFUSED',
    reason: 'out of luck',
    serviceName: 'echo',
    wantedVersion: '1.0.0',
    attempts: 1,
    endpoint: system.broker.endpoint,
  });
  t.regex(refused.stack ?? '', /at async theCaller /);
  const aborted = await failureOf(connectToBackend({ ...system.target, signal: AbortSignal.abort() }));
  t.like(aborted, { code: 'ABORTED', attempts: 0, serviceName: 'echo' });
  system.broker.adminBehaviour = { kind: 'silent' };
  const silent = await failureOf(
    sendAdminRequest({ brokerEndpoint: system.broker.endpoint, verb: 'STATUS', timeoutMs: 20 }),
  );
  t.like(silent, { code: 'TIMEOUT', phase: 'admin', attempts: 1 });
  t.regex(silent.message, /\(STATUS at .*, 1 attempt in \d+ ms\)/);
});

test('a caller that aborts while it waits is told the state of the pool', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const controller = new AbortController();
  const waiting = pool.acquire({ signal: controller.signal });
  controller.abort();
  const error = await t.throwsAsync(waiting, { code: 'ABORTED' });
  t.regex(error.message, /total 1, idle 0, connecting 0, waiting 1, leased 1, max 1/);
  lease.release();
});
