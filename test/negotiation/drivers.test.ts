import type { Driver, Outcome } from '../../src/negotiation/job.js';
import { canHandOff, type EmbeddedBroker } from '../../src/testing/index.js';
import { endpointIn } from '../helpers/endpoints.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { closed, echo, read, startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import { connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from './drivers-kit.js';
import { lastingDriver } from './lasting-driver.js';

/** Longer than any test may take. */
const HOURS_MS = 5 * 3_600_000;

/** One after another: the jobs of one driver wait in one thread, and counts are those of one broker. */
const serialTest = test.serial;

/** Passing a descriptor needs the C library, whichever driver waits for it. */
const handoffTest = testWhere(canHandOff(), 'descriptors that can be passed', serialTest);

for (const [name, create] of DRIVERS) {
  serialTest(`${name}: a negotiation ends in a connection to the backend (C-16)`, async (t) => {
    const { broker, backend } = await startSystem(t);
    const connection = connectionOf(await run(lastingDriver(create), handshakeJob(broker.endpoint)));
    t.is(connection.route, 'broker-negotiated');
    t.is(connection.endpoint, backend.endpoint);
    t.is(await echo(connection.socket, 'hello'), 'hello');
    await closed(connection.socket);
  });

  serialTest(`${name}: a reply that comes byte by byte is a reply`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'chunked' };
    const { socket, route } = connectionOf(await run(lastingDriver(create), handshakeJob(broker.endpoint)));
    t.is(route, 'broker-negotiated');
    await closed(socket);
  });

  serialTest(`${name}: a refusal is a failure with code and hint (C-36)`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'refuse', code: 4, reason: 'later', retryAfterMs: 250 };
    const failure = failureOf(await run(lastingDriver(create), handshakeJob(broker.endpoint)));
    t.like(failure, { code: 'REFUSED', refusalCode: 4, refusalKind: 'rateLimited', retryAfterMs: 250 });
  });

  serialTest(`${name}: a broker that is not there is BROKER_CONNECT (C-30)`, async (t) => {
    const { directory } = await startSystem(t);
    const failure = failureOf(await run(lastingDriver(create), handshakeJob(endpointIn(directory, 'none'))));
    t.is(failure.code, 'BROKER_CONNECT');
    t.is(failure.system?.code, 'ENOENT');
  });

  serialTest(`${name}: a backend that is not there is BACKEND_CONNECT (C-18)`, async (t) => {
    const { broker, directory } = await startSystem(t);
    broker.behaviour = { kind: 'negotiate', negotiated: { backendPipe: endpointIn(directory, 'none') } };
    const failure = failureOf(await run(lastingDriver(create), handshakeJob(broker.endpoint)));
    t.is(failure.code, 'BACKEND_CONNECT');
    t.is(failure.system?.code, 'ENOENT');
  });

  serialTest(`${name}: a broker that hangs up without a reply is UNEXPECTED_EOF (C-39)`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'close' };
    t.is(failureOf(await run(lastingDriver(create), handshakeJob(broker.endpoint))).code, 'UNEXPECTED_EOF');
  });

  serialTest(
    `${name}: a silent broker is a timeout, and the driver does not hang up on it (X-20)`,
    async (t) => {
      const { broker } = await startSystem(t);
      broker.behaviour = { kind: 'silent' };
      const failure = failureOf(
        await run(lastingDriver(create), handshakeJob(broker.endpoint, { roundTripTimeoutMs: scaled(40) })),
      );
      t.is(failure.code, 'TIMEOUT');
      t.not(failure.phase, 'handoff');
      await broker.until(() => broker.helloCount === 1);
      t.is(broker.openConnections, 1, 'the connection is read to its end in the background');
      broker.releaseSilent();
      await broker.until(() => broker.openConnections === 0);
      t.is(broker.earlyHangUps, 0);
    },
  );

  serialTest(
    `${name}: a job that is given up in mid-Hello ends as ABORTED, and the driver does not hang up (X-20)`,
    async (t) => {
      const { broker } = await startSystem(t);
      broker.behaviour = { kind: 'silent' };
      const driver = lastingDriver(create);
      const outcome = new Promise<Parameters<typeof failureOf>[0]>((resolve) => {
        const giveUp = driver.start(handshakeJob(broker.endpoint), resolve);
        void broker.until(() => broker.helloCount === 1).then(giveUp);
      });
      t.is(failureOf(await outcome).code, 'ABORTED');
      broker.releaseSilent();
      await broker.until(() => broker.openConnections === 0);
      t.is(broker.earlyHangUps, 0);
    },
  );

  serialTest(
    `${name}: the broker gets the whole request of a job that is given up in the turn in which it begins (V-31)`,
    async (t) => {
      const { broker } = await startSystem(t);
      const driver = lastingDriver(create);
      const outcome = new Promise<Parameters<typeof failureOf>[0]>((resolve) => {
        driver.start(handshakeJob(broker.endpoint), resolve)();
      });
      t.is(failureOf(await outcome).code, 'ABORTED');
      await broker.until(() => broker.helloCount === 1 && broker.openConnections === 0);
      t.is(broker.earlyHangUps, 0);
    },
  );

  serialTest(
    `${name}: closing it in mid-Hello fails its jobs, and the driver does not hang up (X-20)`,
    async (t) => {
      const { broker } = await startSystem(t);
      broker.behaviour = { kind: 'silent' };
      const driver = create();
      let giveUp = (): void => {};
      const ended = new Promise<Outcome>((resolve) => {
        giveUp = driver.start(handshakeJob(broker.endpoint), resolve);
      });
      const outcomes = [1, 2, 3].map(() => run(driver, handshakeJob(broker.endpoint)));
      await broker.until(() => broker.helloCount === 4);
      // The end of one job must make the driver forget no other.
      giveUp();
      t.is(failureOf(await ended).code, 'ABORTED');
      await driver.close();
      for (const outcome of await Promise.all(outcomes)) t.is(failureOf(outcome).code, 'ABORTED');
      broker.releaseSilent();
      await broker.until(() => broker.openConnections === 0);
      t.is(broker.earlyHangUps, 0);
      t.is(
        failureOf(await run(driver, handshakeJob(broker.endpoint))).code,
        'ABORTED',
        'a closed driver takes no jobs',
      );
    },
  );

  serialTest(`${name}: stuck waits hold no other job up`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const driver = lastingDriver(create);
    const stuck = Array.from({ length: 100 }, () => run(driver, handshakeJob(broker.endpoint)));
    await broker.until(() => broker.helloCount === 100);
    broker.behaviour = { kind: 'answer' };
    await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
    broker.releaseSilent();
    t.true((await Promise.all(stuck)).every((outcome) => outcome.kind !== 'answered'));
    for (const outcome of await Promise.all(stuck))
      if (outcome.kind === 'connected') await closed(outcome.socket);
  });

  serialTest(`${name}: a wait of hours ends for a job that is given up`, async (t) => {
    const { broker } = await startSystem(t);
    const driver = lastingDriver(create);
    const waits = [];
    for (let count = 0; count < 5; count += 1) waits.push(await longWait(driver, broker));
    // One after another: when the second is given up, the thread has long gone back to sleep.
    for (const { giveUp, outcome } of waits) {
      giveUp();
      t.is(failureOf(await outcome).code, 'ABORTED');
    }
    broker.releaseSilent();
  });

  serialTest(`${name}: a deadline that comes sooner ends its job during a wait of hours`, async (t) => {
    const { broker } = await startSystem(t);
    const driver = lastingDriver(create);
    const { giveUp, outcome } = await longWait(driver, broker);
    broker.behaviour = { kind: 'silent' };
    for (const roundTripTimeoutMs of [30, 20, 10]) {
      t.is(
        failureOf(await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs }))).code,
        'TIMEOUT',
      );
    }
    giveUp();
    t.is(failureOf(await outcome).code, 'ABORTED');
    broker.releaseSilent();
  });

  serialTest(`${name}: a wait of hours ends when the driver closes`, async (t) => {
    const { broker } = await startSystem(t);
    const driver = openDriver(t, create);
    const { outcome } = await longWait(driver, broker);
    await driver.close();
    t.is(failureOf(await outcome).code, 'ABORTED');
    broker.releaseSilent();
  });

  serialTest(`${name}: a listener whose backlog is full is waited for`, async (t) => {
    const { broker } = await startSystem(t, { backend: { backlog: 4 }, broker: { backlog: 4 } });
    const driver = lastingDriver(create);
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, () => run(driver, handshakeJob(broker.endpoint))),
    );
    for (const outcome of outcomes) await closed(connectionOf(outcome).socket);
    t.is(broker.helloCount, 60);
  });

  serialTest(
    `${name}: a confirmed handoff keeps the connection, and what came behind the event is the caller's (C-44, C-47)`,
    async (t) => {
      const { broker } = await startSystem(t);
      broker.behaviour = { kind: 'readyThenBackendBytes', bytes: Buffer.from('welcome') };
      const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
      const connection = connectionOf(await run(lastingDriver(create), job));
      t.is(connection.route, 'handle-passed');
      t.is(await read(connection.socket, 'welcome'.length), 'welcome');
      t.is(await echo(connection.socket, 'again'), 'again');
      await closed(connection.socket);
    },
  );

  for (const kind of ['wrongToken', 'rejectedAck'] as const) {
    serialTest(`${name}: a handoff event with ${kind} becomes a reconnect (C-45)`, async (t) => {
      const { broker } = await startSystem(t);
      broker.behaviour = { kind };
      const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
      const connection = connectionOf(await run(lastingDriver(create), job));
      t.is(connection.route, 'broker-negotiated');
      t.is(await echo(connection.socket, 'hello'), 'hello');
      await closed(connection.socket);
    });
  }

  serialTest(`${name}: a handoff event that is late becomes a reconnect (C-42, C-45)`, async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'lateReady', wait: new Promise(() => {}) };
    const job = handshakeJob(broker.endpoint, {
      adoptHandedOffConnection: true,
      handoffReadyTimeoutMs: scaled(10),
    });
    const connection = connectionOf(await run(lastingDriver(create), job));
    t.is(connection.route, 'broker-negotiated');
    await closed(connection.socket);
  });

  handoffTest(`${name}: a real handoff passes the very connection to the backend (H-03, C-44)`, async (t) => {
    const { broker, backend } = await startSystem(t, { backend: { handoff: 'accept' } });
    const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
    const connection = connectionOf(await run(lastingDriver(create), job));
    t.is(connection.route, 'handle-passed');
    t.is(await echo(connection.socket, 'handed over'), 'handed over');
    t.is(backend.adoptedCount, 1);
    await closed(connection.socket);
  });
}

/**
 * A wait of hours that has begun: another job has come back meanwhile, so the driver has started and has seen
 * both.
 */
async function longWait(
  driver: Driver,
  broker: EmbeddedBroker,
): Promise<{ giveUp: () => void; outcome: Promise<Outcome> }> {
  broker.script({ kind: 'silent' }, { kind: 'answer' });
  let giveUp = (): void => {};
  const hellosBefore = broker.helloCount;
  const outcome = new Promise<Outcome>((resolve) => {
    giveUp = driver.start(handshakeJob(broker.endpoint, { roundTripTimeoutMs: HOURS_MS }), resolve);
  });
  await broker.until(() => broker.helloCount > hellosBefore);
  await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
  return { giveUp, outcome };
}
