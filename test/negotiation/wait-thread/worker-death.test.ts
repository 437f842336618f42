/** A wait thread may die between any two of its calls (G-07, G-12, G-16). */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { errno } from '../../../src/os/errno.js';
import { loadNative } from '../../../src/os/native.js';
import type { BrokerBehaviour } from '../../../src/testing/index.js';
import { deathFile, DEATH_FILE_VARIABLE, type Death, type Plan } from '../../helpers/dying-worker.js';
import { until } from '../../helpers/leftovers.js';
import test from '../../helpers/sanitary.js';
import { testWhere } from '../../helpers/test-where.js';
import { closed, echo, startSystem } from '../../helpers/system.js';
import { connectionOf, handshakeJob, run, workerDriver } from '../drivers-kit.js';

const native = process.platform === 'linux' ? loadNative() : undefined;
const workerUrl = new URL('../../helpers/dying-worker.js', import.meta.url).href;

interface Case {
  readonly title: string;
  /** The main thread has connected and sent the request. */
  readonly begun: boolean;
  readonly adopts: boolean;
  /** The fate of the first Hello. */
  readonly first: BrokerBehaviour;
  /**
   * The calls that are made for it, each with its number among those of its kind. `own` and `disown` are the
   * ledger's.
   */
  readonly calls: readonly `${string} ${number}`[];
}

const CASES: readonly Case[] = [
  {
    title: 'a negotiation that the main thread begins',
    begun: true,
    adopts: false,
    first: { kind: 'answer' },
    calls: [
      'own 1',
      'wait 1',
      'own 2',
      'receive 1',
      'remove 1',
      'disown 1',
      'close 1',
      'openSocket 1',
      'own 3',
      'connect 1',
      'post 1',
    ],
  },
  {
    title: 'a negotiation that the wait thread begins',
    begun: false,
    adopts: false,
    first: { kind: 'answer' },
    calls: [
      'openSocket 1',
      'own 1',
      'connect 1',
      'send 1',
      'own 2',
      'add 1',
      'wait 1',
      'own 3',
      'receive 1',
      'close 1',
      'own 4',
      'connect 2',
      'post 1',
    ],
  },
  {
    title: 'a handoff that the main thread begins',
    begun: true,
    adopts: true,
    first: { kind: 'answer' },
    calls: ['own 1', 'wait 1', 'own 2', 'receive 1', 'own 3', 'remove 1', 'post 1'],
  },
  {
    title: 'a handoff that takes its time',
    begun: true,
    adopts: true,
    first: { kind: 'lateReady', wait: new Promise(() => {}) },
    calls: ['wait 2'],
  },
];

/**
 * Between these calls the thread reads the reply: the thread that takes over knows no other end than that of
 * the stream (G-16).
 */
const REPLY_UNCERTAIN: ReadonlySet<string> = new Set(['receive 1', 'own 3']);

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

for (const { title, begun, adopts, first, calls } of CASES) {
  if (native === undefined) {
    testWhere(false, 'the C library')(`${title} survives the death of the wait thread`, () => {});
    continue;
  }
  const { polling, system } = native;
  // Without the ring, which stays open for a while: descriptors are counted.
  const mainCalls = {
    polling,
    system: begun ? system : { ...system, openSocket: () => -(errno['EMFILE'] ?? 0) },
  };

  test.serial(
    `${title} survives the death of the wait thread before each of its calls, and so does the broker (G-07, G-12, G-16)`,
    async (t) => {
      const { broker, directory } = await startSystem(t, {
        backend: { handoff: adopts ? 'accept' : 'none' },
      });
      const file = `${directory}/death`;
      process.env[DEATH_FILE_VARIABLE] = file;
      for (const call of calls) {
        const [before = '', nth] = call.split(' ');
        const plan: Plan = { before, nth: Number(nth) };
        writeFileSync(file, JSON.stringify(plan));
        rmSync(deathFile(file), { force: true });
        const most = openDescriptors();
        const driver = workerDriver(mainCalls, { workerUrl });
        broker.script(first);
        const { socket } = connectionOf(
          await run(driver, handshakeJob(broker.endpoint, { adoptHandedOffConnection: adopts })),
        );
        t.is(await echo(socket, 'alive'), 'alive');
        await closed(socket);
        await driver.close();
        const death: Death = JSON.parse(readFileSync(deathFile(file), 'utf8'));
        // The one descriptor that no ledger can know (docs/reliability.md, G-07).
        if (death.unknown !== undefined) t.is(system.close(death.unknown), 0, call);
        // The broker has handed the connection over, and will not end it.
        const kept = adopts && REPLY_UNCERTAIN.has(call) ? 2 : 0;
        t.true(
          await until(() => openDescriptors() <= most + kept),
          `before ${call}: ${openDescriptors() - most} descriptors left`,
        );
        t.is(broker.earlyHangUps, 0, call);
      }
    },
  );
}
