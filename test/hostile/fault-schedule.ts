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
import type { WorkerDriver } from '../../src/negotiation/wait-thread/worker-driver.js';
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
const MOST_LATENESS_MS = 10_000;

/** The peers of the schedules, and a directory for files of theirs. */
export interface ScheduleSystem {
  readonly broker: EmbeddedBroker;
  readonly backend: EmbeddedBackend;
  readonly directory: string;
}

/** The calls in which faults are put, and the run for each fault. */
export interface Schedule {
  readonly title: string;
  readonly faults: readonly Fault[];
  /** The outcome in a word. Throws if it breaks a promise. */
  run(fault: Fault, system: ScheduleSystem): Promise<string>;
  /** Where the faults share a thread: it starts before the first, and again after each that it dies of. */
  readonly thread?: LastingThread;
}

/**
 * A worker driver that outlives faults, so that not each of them costs a thread. Its thread has started when
 * a fault occurs; the tests of worker drivers cover failures while a thread starts.
 */
class LastingThread {
  readonly #create: (system: ScheduleSystem) => WorkerDriver;
  #driver: WorkerDriver | undefined;

  constructor(create: (system: ScheduleSystem) => WorkerDriver) {
    this.#create = create;
  }

  get driver(): WorkerDriver {
    if (this.#driver === undefined) throw new Error('the thread has not been started');
    return this.#driver;
  }

  async start(system: ScheduleSystem): Promise<void> {
    if (this.#driver?.name === 'worker') return;
    await this.close();
    this.#driver = this.#create(system);
    await this.#driver.warm();
  }

  async close(): Promise<void> {
    await this.#driver?.close();
    this.#driver = undefined;
  }
}

/** The outcomes of the faults of one call. */
export interface ScheduleRecord {
  readonly schedule: string;
  readonly call: FaultyCall;
  injected: number;
  readonly endings: Map<string, number>;
}

/** All schedules of this platform. */
export function schedules(native: Native): readonly Schedule[] {
  const onMainThread = (
    injected: (injector: Injector) => Native,
    jobs = 1,
  ): Pick<Schedule, 'run' | 'thread'> => {
    const injector = new Injector();
    const thread = new LastingThread(() => workerDriver(injected(injector)));
    return {
      thread,
      run: async (fault, { broker }) => {
        injector.arm(fault);
        const ending = await endOfJobs(thread.driver, broker.endpoint, fault, jobs);
        ok(injector.injected, 'the call was never made');
        injector.arm(undefined);
        return ending;
      },
    };
  };
  return [
    {
      title: 'event-loop driver: each of its calls fails once, with each error',
      faults: faultsOf(['openSocket', 2], ['connect', 2], ['send', 1]),
      run: (fault, system) =>
        negotiate(fault, system, (injector) => new EventLoopDriver(systemClock, injector.native(native))),
    },
    {
      title: 'worker driver: the wait thread takes over jobs whose calls fail on the asking thread',
      faults: faultsOf(['openSocket', 1], ['connect', 1], ['send', 1]),
      ...onMainThread((injector) => injector.native(native)),
    },
    {
      title:
        'worker driver: the wait thread watches a connection that the asking thread could not add, with each error',
      faults: faultsOf(['epollControl', 1]),
      ...onMainThread((injector) => injector.native(native)),
    },
    ...(hasRing(native)
      ? [
          {
            title:
              'submission ring: without a ring the driver sends the request by a second call, with each error',
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
      ...onWaitThread(native),
    },
    {
      title: 'a dial on the spot: each of its calls fails once, with each error',
      faults: faultsOf(['openSocket', 1], ['connect', 1]),
      run: (fault, system) => dialOnTheSpot(fault, system, native),
    },
    {
      title: 'wait thread: its eventfd and its epoll set cannot be opened, with each error',
      faults: faultsOf(['eventfd', 1], ['epollCreate', 1]),
      run: (fault) => openWithoutPoller(fault, native),
    },
    {
      title: 'wait thread: a wake-up that fails, with each error, delays a job and does not lose it',
      faults: faultsOf(['write', 2]),
      // The wait thread takes every job, and needs the wake-up for it.
      ...onMainThread(
        (injector) => ({ system: withoutSockets(native), polling: injector.native(native).polling }),
        2,
      ),
    },
  ];
}

/** Runs a whole schedule. Throws at the first fault that breaks a promise (G-01, G-02, G-07). */
export async function runSchedule(schedule: Schedule, system: ScheduleSystem): Promise<ScheduleRecord[]> {
  const records = new Map<FaultyCall, ScheduleRecord>();
  try {
    for (const fault of schedule.faults) {
      await schedule.thread?.start(system);
      note(records, schedule.title, fault, await runFault(schedule, fault, system));
    }
  } finally {
    await schedule.thread?.close();
  }
  return [...records.values()];
}

async function runFault(schedule: Schedule, fault: Fault, system: ScheduleSystem): Promise<string> {
  const what = `${schedule.title}: ${fault.call} ${fault.nth} ${fault.code}`;
  const before = openDescriptors();
  const ending = await schedule.run(fault, system).catch((error: unknown) => {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  const isClean = await until(() => system.broker.openConnections === 0 && openDescriptors() <= before);
  ok(isClean, `${what}: ${openDescriptors() - before} descriptors left`);
  return ending;
}

function note(
  records: Map<FaultyCall, ScheduleRecord>,
  schedule: string,
  { call }: Fault,
  ending: string,
): void {
  const record = records.get(call) ?? { schedule, call, injected: 0, endings: new Map<string, number>() };
  record.injected += 1;
  record.endings.set(ending, (record.endings.get(ending) ?? 0) + 1);
  records.set(call, record);
}

/** Calls of each kind that fail, each of them with each error. */
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

/** Runs a job, in which the fault occurs, on a driver of its own. */
async function negotiate(
  fault: Fault,
  { broker }: ScheduleSystem,
  create: (injector: Injector) => Driver,
): Promise<string> {
  const injector = new Injector(fault);
  const driver = create(injector);
  const ending = await endOfJobs(driver, broker.endpoint, fault);
  await driver.close();
  ok(injector.injected, 'the call was never made');
  return ending;
}

/** The asking thread gets no socket at all, so that the wait thread makes every call. */
function onWaitThread(native: Native): Pick<Schedule, 'run' | 'thread'> {
  const thread = new LastingThread(({ directory }) => {
    process.env[FAULT_FILE_VARIABLE] = faultFile(directory);
    const calls = { system: withoutSockets(native), polling: native.polling };
    return workerDriver(calls, { workerUrl: WORKER_URL });
  });
  return {
    thread,
    run: async (fault, { broker, directory }) => {
      const file = faultFile(directory);
      writeFileSync(file, JSON.stringify(fault));
      const ending = await endOfJobs(thread.driver, broker.endpoint, fault);
      ok(existsSync(injectedFile(file)), 'the call was never made');
      rmSync(file);
      rmSync(injectedFile(file));
      return ending;
    },
  };
}

function faultFile(directory: string): string {
  return join(directory, 'fault.json');
}

/** Runs jobs one after the other; the fault occurs in one. Returns the outcome of the last. */
async function endOfJobs(driver: Driver, brokerEndpoint: string, fault: Fault, jobs = 1): Promise<string> {
  let ending = '';
  for (let job = 0; job < jobs; job += 1) ending = await endOfJob(driver, brokerEndpoint, fault);
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
