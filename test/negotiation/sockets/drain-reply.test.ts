/** The driver reads the reply of an abandoned request to its last byte and no further (G-16, V-31). */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { Driver, Job, Outcome } from '../../../src/negotiation/job.js';
import { streamConnection } from '../../../src/negotiation/sockets/broker-requests.js';
import { GIVE_UP_MS, drainReply } from '../../../src/negotiation/sockets/drain-reply.js';
import { heard, keep, say } from '../../hostile/hostile-peer.js';
import { hostilePeer } from '../../hostile/peer-kit.js';
import { ADMIN_WIRE, negotiatedWire, readyWire } from '../../hostile/wires.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { scaled } from '../../helpers/patience.js';
import test from '../../helpers/sanitary.js';
import { until } from '../../helpers/leftovers.js';
import { closed } from '../../helpers/talk.js';
import { adminJob, connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from '../drivers-kit.js';
import { lastingDriver } from '../lasting-driver.js';

const SHORT_MS = scaled(60);

interface Case {
  readonly title: string;
  readonly wire: Uint8Array;
  readonly job: (endpoint: string, roundTripTimeoutMs: number) => Job;
}

const CASES: readonly Case[] = [
  {
    title: 'a Hello',
    wire: negotiatedWire(endpointIn('/', 'nowhere')),
    job: (endpoint, roundTripTimeoutMs) => handshakeJob(endpoint, { roundTripTimeoutMs }),
  },
  {
    title: 'a Hello with adoption',
    wire: negotiatedWire(endpointIn('/', 'nowhere')),
    job: (endpoint, roundTripTimeoutMs) =>
      handshakeJob(endpoint, { roundTripTimeoutMs, adoptHandedOffConnection: true }),
  },
  {
    title: 'an admin request',
    wire: ADMIN_WIRE,
    job: (endpoint, roundTripTimeoutMs) => adminJob(endpoint, { roundTripTimeoutMs }),
  },
];

/** How a job is given up. */
const ENDS: Readonly<Record<string, (driver: Driver, giveUp: () => void) => void | Promise<void>>> = {
  'an abort': (_, giveUp) => giveUp(),
  'the end of the driver': (driver) => driver.close(),
};

/** Says the rest byte by byte. Settles with how many bytes of all were said when the client hung up. */
async function sayTheRest(socket: Socket, wire: Uint8Array, said: number): Promise<number> {
  let bytes = said;
  const hungUp = new Promise<number>((resolve) =>
    socket.once('end', () => resolve(bytes)).once('close', () => resolve(bytes)),
  );
  while (bytes < wire.length && !socket.destroyed) {
    bytes += 1;
    await say(socket, wire.subarray(bytes - 1, bytes));
    // The client is in this process, and reads in the next turn of its event loop.
    await turn();
  }
  return await hungUp;
}

/**
 * Starts as many jobs as the reply has bytes, each of which hears one byte more. `giveUp` is called when all
 * have heard theirs.
 */
async function startCut(
  driver: Driver,
  { wire, job }: Case,
  endpoint: string,
  roundTripTimeoutMs: number,
  saidToAll: () => boolean,
) {
  const releases: (() => void)[] = [];
  const outcomes = Array.from(
    wire,
    () =>
      new Promise<Outcome>((resolve) =>
        releases.push(driver.start(job(endpoint, roundTripTimeoutMs), resolve)),
      ),
  );
  await until(saidToAll);
  return { outcomes, giveUp: () => releases.forEach((release) => release()) };
}

for (const [name, create] of DRIVERS) {
  for (const it of CASES) {
    for (const [ending, roundTripTimeoutMs] of [
      ['a deadline', SHORT_MS],
      ['an abort', 20_000],
    ] as const) {
      test.serial(
        `${name}, ${it.title}: ${ending} anywhere in the reply leaves the rest to be read before the connection closes (G-16, V-31)`,
        async (t) => {
          const { wire } = it;
          let began = 0;
          let said = 0;
          let goOn = (): void => {};
          const gate = new Promise<void>((resolve) => (goOn = resolve));
          const hungUpAfter: number[] = [];
          const broker = await hostilePeer(t, async (socket) => {
            const bytes = began++;
            await heard(socket);
            await say(socket, wire.subarray(0, bytes));
            said += 1;
            await gate;
            hungUpAfter.push(await sayTheRest(socket, wire, bytes));
            socket.destroy();
          });
          const { outcomes, giveUp } = await startCut(
            lastingDriver(create),
            it,
            broker.endpoint,
            roundTripTimeoutMs,
            () => said === wire.length,
          );
          if (ending === 'an abort') giveUp();
          for (const outcome of await Promise.all(outcomes))
            t.is(failureOf(outcome).code, ending === 'an abort' ? 'ABORTED' : 'TIMEOUT');
          goOn();
          t.true(
            await until(() => hungUpAfter.length === wire.length),
            'each is closed once its reply is in',
          );
          t.deepEqual(new Set(hungUpAfter), new Set([wire.length]));
        },
      );
    }
  }
  for (const [ending, end] of Object.entries(ENDS)) {
    test.serial(
      `${name}: ${ending} during the handoff wait closes the connection at once, for the reply is in (C-45)`,
      async (t) => {
        const scripts = [
          negotiatedWire(endpointIn('/', 'nowhere')),
          Buffer.concat([negotiatedWire(endpointIn('/', 'nowhere')), readyWire()]),
        ];
        const broker = await hostilePeer(t, async (socket) => {
          const wire = scripts.shift();
          await heard(socket);
          await say(socket, wire ?? negotiatedWire(endpointIn('/', 'nowhere')));
          keep(socket);
        });
        const driver = openDriver(t, create);
        const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
        let giveUp = (): void => {};
        const outcome = new Promise<Outcome>((resolve) => (giveUp = driver.start(job, resolve)));
        await until(() => scripts.length === 1);
        // The driver has seen the first reply when it has acted on the second.
        await closed(connectionOf(await run(driver, job)).socket);
        t.true(await until(() => broker.open === 1));
        await end(driver, giveUp);
        t.is(failureOf(await outcome).code, 'ABORTED');
        t.true(await until(() => broker.open === 0), 'every connection is closed');
      },
    );
  }
}

test('a drain ends 35 s after the request, and not before', async (t) => {
  const { endpoint } = await hostilePeer(t, keep);
  const socket = connect(endpoint);
  await once(socket, 'connect');
  const clock = new FakeClock();
  drainReply(streamConnection(socket), { brokerEndpoint: endpoint, clock });
  clock.advance(GIVE_UP_MS - 1);
  t.false(socket.destroyed);
  clock.advance(1);
  t.true(socket.destroyed);
  t.true(GIVE_UP_MS > 30_000, 'a broker takes 30 s (V-20)');
  await once(socket, 'close');
});
