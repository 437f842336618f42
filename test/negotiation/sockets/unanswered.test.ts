/** A broker that never answers costs no more than so many descriptors, however often it is asked (G-16). */
import { connectToBackend, sendAdminRequest } from '../../../src/index.js';
import {
  addUnanswered,
  countUnanswered,
  HOLD_MS,
  holdForReply,
  MOST_UNANSWERED,
  onRoom,
  roomWithinMs,
  unansweredFailure,
} from '../../../src/negotiation/sockets/broker-requests.js';
import { systemClock } from '../../../src/clock.js';
import { until } from '../../helpers/leftovers.js';
import { scaled } from '../../helpers/patience.js';
import { failureOf as errorOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { adminJob, connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from '../drivers-kit.js';

/** Has as many requests unanswered as a broker may, but for some. */
function fill(endpoint: string, butFor = 0): (() => void)[] {
  return Array.from({ length: MOST_UNANSWERED - butFor }, () =>
    addUnanswered(endpoint, systemClock.now() + 35_000),
  );
}

test('unanswered requests are counted for each broker until they end, each once', (t) => {
  const first = addUnanswered('/a', 0);
  const second = addUnanswered('/a', 0);
  t.deepEqual([countUnanswered('/a'), countUnanswered('/b')], [2, 0]);
  first();
  first();
  t.is(countUnanswered('/a'), 1);
  second();
  t.is(countUnanswered('/a'), 0);
});

test('at the bound there is a failure that says how many, where and what to look at', (t) => {
  const [first, ...others] = fill('/bound');
  t.like(unansweredFailure('/bound'), {
    code: 'BROKER_CONNECT',
    endpoint: '/bound',
    system: { code: 'EUNANSWERED' },
  });
  t.regex(unansweredFailure('/bound')?.message ?? '', /128 requests to \/bound are unanswered; .*35 s$/);
  first?.();
  t.is(unansweredFailure('/bound'), undefined);
  for (const end of others) end();
});

test('the end of one request runs each callback once, and none that was taken away', (t) => {
  const ends = fill('/room');
  let heard = 0;
  onRoom('/room', () => (heard += 1));
  onRoom('/room', () => t.fail())();
  t.true(roomWithinMs('/room') > 30_000);
  for (const end of ends) end();
  t.is(heard, 1);
  t.is(roomWithinMs('/room'), 0);
});

// By itself: it counts the timers of the process.
test.serial(
  "a process is held for a broker's first pending reply, for a second from the request, and for no other",
  (t) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    const before = timers();
    const letGo = holdForReply('/held', systemClock.now());
    t.is(timers(), before + 1);
    letGo();
    const end = addUnanswered('/held', 0);
    holdForReply('/held', systemClock.now());
    end();
    holdForReply('/held', systemClock.now() - 1_000);
    t.is(timers(), before);
  },
);

test.serial(
  'a hold ends by itself after a second, and the next one holds the process however often this one is let go',
  async (t) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    const before = timers();
    const letGo = holdForReply('/again', systemClock.now());
    t.is(timers(), before + 1);
    await new Promise((resolve) => {
      setTimeout(resolve, HOLD_MS + 20);
    });
    t.is(timers(), before);
    letGo();
    letGo();
    const letNextGo = holdForReply('/again', systemClock.now());
    t.is(timers(), before + 1);
    letNextGo();
    t.is(timers(), before);
  },
);

for (const [name, create] of DRIVERS) {
  test(`${name}: no more requests are left unanswered than the bound, and the next is sent when one is answered`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const driver = openDriver(t, create);
    // A thread that is still starting when the time is up has sent nothing.
    await driver.warm();
    const others = fill(broker.endpoint, 2);
    const silent = [1, 2].map(() =>
      run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: scaled(300) })),
    );
    for (const outcome of await Promise.all(silent)) t.is(failureOf(outcome).code, 'TIMEOUT');
    // A thread that is slow to start hands them over later.
    t.true(await until(() => countUnanswered(broker.endpoint) === MOST_UNANSWERED));
    for (const job of [handshakeJob(broker.endpoint), adminJob(broker.endpoint)]) {
      t.like(failureOf(await run(driver, job)), { code: 'BROKER_CONNECT', system: { code: 'EUNANSWERED' } });
    }
    t.true(await until(() => broker.helloCount === 2));
    broker.behaviour = { kind: 'answer' };
    broker.releaseSilent();
    t.true(await until(() => countUnanswered(broker.endpoint) === others.length));
    connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket.destroy();
    for (const end of others) end();
  });
}

test('a single connect and an admin request fail at the bound, and say why', async (t) => {
  const { broker, target } = await startSystem(t);
  const ends = fill(broker.endpoint);
  for (const request of [
    connectToBackend(target),
    sendAdminRequest({ brokerEndpoint: broker.endpoint, verb: 'STATUS' }),
  ]) {
    t.like(await errorOf(request), {
      code: 'BROKER_CONNECT',
      endpoint: broker.endpoint,
      cause: { code: 'EUNANSWERED' },
    });
  }
  t.is(broker.helloCount, 0);
  for (const end of ends) end();
});

test('a caller of a pool waits at the bound, without a Hello, and is served when one request is answered', async (t) => {
  const { broker, target } = await startSystem(t);
  const pool = openPool(t, target);
  const [first, ...others] = fill(broker.endpoint);
  const retrying = new Promise<number>((resolve) =>
    pool.once('connectRetrying', ({ delayMs }) => resolve(delayMs)),
  );
  const acquiring = pool.acquire();
  t.true((await retrying) > 30_000, 'until the oldest request is given up');
  t.is(broker.helloCount, 0);
  first?.();
  (await acquiring).release();
  t.is(broker.helloCount, 1);
  for (const end of others) end();
});

test('a caller of a pool that times out at the bound gets the number of unanswered requests as the cause', async (t) => {
  const { broker, target } = await startSystem(t);
  const ends = fill(broker.endpoint);
  const error = await errorOf(openPool(t, target).acquire({ timeoutMs: scaled(500) }));
  t.like(error, {
    code: 'TIMEOUT',
    phase: 'connect',
    cause: { code: 'BROKER_CONNECT', endpoint: broker.endpoint },
  });
  t.like(await errorOf(openPool(t, target, { retry: false }).acquire()), { code: 'BROKER_CONNECT' });
  for (const end of ends) end();
});

test('unanswered requests of a closed pool count for the next one', async (t) => {
  const { broker, target } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const pool = openPool(t, target);
  await errorOf(pool.acquire({ timeoutMs: scaled(50) }));
  await pool.close();
  t.is(countUnanswered(broker.endpoint), 1);
  await until(() => broker.helloCount === 1);
  broker.releaseSilent();
  t.true(await until(() => countUnanswered(broker.endpoint) === 0));
});
