/**
 * The schedule of faults: each system call on the way to a connection fails once, with each error that the
 * system may give, one at a time. The test runs all of it; so does the long run of the hostile tests, which
 * writes the table.
 */
import { equal, match, ok } from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.js';
import { BrokerPoolError } from '../../src/errors.js';
import { dialNow } from '../../src/negotiation/sockets/dial.js';
import type { Driver, Outcome } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { errno } from '../../src/os/errno.js';
import type { Native } from '../../src/os/native.js';
import { hasRing } from '../helpers/ring.js';
import type { EmbeddedBackend, EmbeddedBroker } from '../../src/testing/index.js';
import { FAULT_CODES, Injector, type Fault, type FaultyCall } from '../helpers/faulty-system.js';
import { FAULT_FILE_VARIABLE, injectedFile } from '../helpers/faulty-worker.js';
import { until } from '../helpers/leftovers.js';
import { closed, echo } from '../helpers/talk.js';
import { handshakeJob, run, workerDriver } from '../negotiation/drivers-kit.js';

const WORKER_URL = new URL('../helpers/faulty-worker.js', import.meta.url).href;
/**
 * A job that loses its wake-up ends with it. Far more than a job needs on a machine that is busy otherwise.
 */
const DEADLINE_MS = 20_000;
const MOST_LATENESS_MS = 1_000;

/** What the schedules run against, and a directory for files of theirs. */
export interface ScheduleSystem {
  readonly broker: EmbeddedBroker;
  readonly backend: EmbeddedBackend;
  readonly directory: string;
}

/** Where faults are put, and what is run with each of them. */
export interface Schedule {
  readonly title: string;
  readonly faults: readonly Fault[];
  /** What came of it, in a word. Throws if that is not what was promised. */
  run(fault: Fault, system: ScheduleSystem): Promise<string>;
}

/** What came of the faults of one call. */
export interface ScheduleRecord {
  readonly schedule: string;
  readonly call: FaultyCall;
  injected: number;
  readonly endings: Map<string, number>;
}

/** All schedules of this platform. */
export function schedules(native: Native): readonly Schedule[] {
  return [
    {
      title: 'event-loop driver: each of its calls fails once, with each error',
      faults: faultsOf(['openSocket', 2], ['connect', 2], ['send', 1]),
      run: (fault, system) =>
        negotiate(fault, system, (injector) => new EventLoopDriver(systemClock, injector.native(native))),
    },
    {
      title: 'worker driver: what fails on the asking thread is made good by the wait thread',
      faults: faultsOf(['openSocket', 1], ['connect', 1], ['send', 1]),
      run: (fault, system) => negotiate(fault, system, (injector) => workerDriver(injector.native(native))),
    },
    {
      title:
        'worker driver: a connection that cannot be put on watch for the wait thread is so by the thread, with each error',
      faults: faultsOf(['epollControl', 1]),
      run: (fault, system) => negotiate(fault, system, (injector) => workerDriver(injector.native(native))),
    },
    ...(hasRing(native)
      ? [
          {
            title:
              'submission ring: without it the request follows the connect in a call of its own, with each error',
            faults: faultsOf(['io_uring_setup', 1], ['mmap', 2], ['io_uring_enter', 1]),
            run: (fault: Fault, system: ScheduleSystem) =>
              negotiate(
                fault,
                system,
                (injector) => new EventLoopDriver(systemClock, injector.nativeWithRing(native)),
              ),
          },
        ]
      : []),
    {
      title: 'wait thread: each of its calls fails once, with each error',
      faults: faultsOf(
        ['openSocket', 2],
        ['connect', 2],
        ['send', 1],
        ['watch', 1],
        ['epollWait', 1],
        ['receive', 1],
        ['close', 1],
      ),
      run: (fault, system) => negotiateOnThread(fault, system, native),
    },
    {
      title: 'a dial on the spot: each of its calls fails once, with each error',
      faults: faultsOf(['openSocket', 1], ['connect', 1]),
      run: (fault, system) => dialOnTheSpot(fault, system, native),
    },
    {
      title: 'wait thread: what it is woken by and waits on cannot be had, with each error',
      faults: faultsOf(['eventfd', 1], ['epollCreate', 1]),
      run: (fault) => openWithoutPoller(fault, native),
    },
    {
      title: 'wait thread: a wake-up that fails, with each error, delays a job and does not lose it',
      faults: faultsOf(['write', 2]),
      run: (fault, system) =>
        // Every job is left to the thread, which must hear of it.
        negotiate(
          fault,
          system,
          (injector) =>
            workerDriver({ system: withoutSockets(native), polling: injector.native(native).polling }),
          2,
        ),
    },
  ];
}

/** Runs a whole schedule. Throws at the first fault that breaks a promise (G-01, G-02, G-07). */
export async function runSchedule(schedule: Schedule, system: ScheduleSystem): Promise<ScheduleRecord[]> {
  const { title, faults } = schedule;
  const records = new Map<FaultyCall, ScheduleRecord>();
  for (const fault of faults) {
    const what = `${title}: ${fault.call} ${fault.nth} ${fault.code}`;
    const before = openDescriptors();
    const ending = await schedule.run(fault, system).catch((error: unknown) => {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    const isClean = await until(() => system.broker.openConnections === 0 && openDescriptors() <= before);
    ok(isClean, `${what}: ${openDescriptors() - before} descriptors left`);
    const record = records.get(fault.call) ?? {
      schedule: title,
      call: fault.call,
      injected: 0,
      endings: new Map<string, number>(),
    };
    record.injected += 1;
    record.endings.set(ending, (record.endings.get(ending) ?? 0) + 1);
    records.set(fault.call, record);
  }
  return [...records.values()];
}

/** So many calls of each kind, each of them with each error. */
function faultsOf(...calls: readonly (readonly [call: FaultyCall, count: number])[]): Fault[] {
  return calls.flatMap(([call, count]) =>
    Array.from({ length: count }, (_, index) =>
      FAULT_CODES.map((code): Fault => ({ call, nth: index + 1, code })),
    ).flat(),
  );
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Runs jobs one after the other, in one of which the fault occurs. */
async function negotiate(
  fault: Fault,
  { broker }: ScheduleSystem,
  create: (injector: Injector) => Driver,
  jobs = 1,
): Promise<string> {
  const injector = new Injector(fault);
  const driver = create(injector);
  let ending = '';
  for (let job = 0; job < jobs; job += 1) ending = await endOfJob(driver, broker.endpoint, fault);
  await driver.close();
  ok(injector.injected, 'the call was never made');
  return ending;
}

/** The asking thread gets no socket at all, so that the wait thread makes every call. */
async function negotiateOnThread(
  fault: Fault,
  { broker, directory }: ScheduleSystem,
  native: Native,
): Promise<string> {
  const file = join(directory, 'fault.json');
  writeFileSync(file, JSON.stringify(fault));
  process.env[FAULT_FILE_VARIABLE] = file;
  const driver = workerDriver(
    { system: withoutSockets(native), polling: native.polling },
    { workerUrl: WORKER_URL },
  );
  const ending = await endOfJob(driver, broker.endpoint, fault);
  await driver.close();
  ok(existsSync(injectedFile(file)), 'the call was never made');
  rmSync(injectedFile(file));
  return ending;
}

/** A connection must work; a failure must name what happened. */
async function endOfJob(driver: Driver, brokerEndpoint: string, fault: Fault): Promise<string> {
  const startedMs = performance.now();
  const outcome = await run(driver, handshakeJob(brokerEndpoint, { roundTripTimeoutMs: DEADLINE_MS }));
  ok(performance.now() - startedMs < DEADLINE_MS + MOST_LATENESS_MS, 'the deadline passed');
  return await checkEnd(outcome, fault);
}

async function checkEnd(outcome: Outcome, fault: Fault): Promise<string> {
  if (outcome.kind === 'connected') {
    equal(await echo(outcome.socket, 'still'), 'still');
    await closed(outcome.socket);
    return 'connected';
  }
  if (outcome.kind !== 'failed') throw new Error(`a negotiation ended as ${outcome.kind}`);
  const { code, message, system } = outcome.failure;
  ok(
    ['BROKER_CONNECT', 'BACKEND_CONNECT', 'FRAME_IO', 'UNEXPECTED_EOF'].includes(code),
    `${code} ${message}`,
  );
  equal(system?.code, fault.code, message);
  return code;
}

async function dialOnTheSpot(fault: Fault, { backend }: ScheduleSystem, native: Native): Promise<string> {
  const injector = new Injector(fault);
  const outcome = dialNow(injector.native(native), backend.endpoint);
  ok(injector.injected);
  if (outcome === undefined) {
    equal(
      `${fault.call} ${fault.code}`,
      'connect EAGAIN',
      'only a full backlog is left to the dial that waits',
    );
    return 'left to a dial that waits';
  }
  if (outcome.kind !== 'refused') throw new Error(`a dial ended as ${outcome.kind}`);
  equal(outcome.system.code, fault.code);
  return 'refused with the cause';
}

async function openWithoutPoller(fault: Fault, native: Native): Promise<string> {
  try {
    await workerDriver(new Injector(fault).native(native)).close();
  } catch (error) {
    ok(error instanceof BrokerPoolError);
    match(error.message, new RegExp(fault.code));
    return error.code;
  }
  throw new Error('opened all the same');
}

function withoutSockets({ system }: Native): Native['system'] {
  return { ...system, openSocket: () => -(errno['EMFILE'] ?? 0) };
}
