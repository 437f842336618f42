/**
 * Each system call on the way to a connection fails once, with each error the system may give, one at a time: every run ends with a working
 * connection or a clear error within its deadline, and leaves no descriptor (G-01, G-02, G-07).
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Driver, Outcome } from '../../src/negotiation/job.js';
import { dialNow } from '../../src/negotiation/dial.js';
import { EventLoopDriver } from '../../src/negotiation/loop.js';
import { WorkerDriver } from '../../src/negotiation/worker-driver.js';
import { systemClock } from '../../src/clock.js';
import { errno } from '../../src/os/errno.js';
import { loadNative, type Native } from '../../src/os/native.js';
import { FAULT_CODES, Injector, type Fault, type FaultyCall } from '../helpers/faulty-system.js';
import { FAULT_FILE_VARIABLE } from '../helpers/faulty-worker.js';
import { until } from '../helpers/leftovers.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { closed, echo, startSystem } from '../helpers/system.js';
import { handshakeJob, run } from '../negotiation/drivers-kit.js';

const native = loadNative();
const scheduleTest = native === undefined || process.platform !== 'linux' ? test.skip : test.serial;
const WORKER_URL = new URL('../helpers/faulty-worker.js', import.meta.url).href;
/** What a run may take: far more than it needs, and far less than a lost wake-up would cost. */
const DEADLINE_MS = 2_000;

/** Each call that a negotiation makes, so many of each kind, with each error. */
function schedule(...calls: readonly (readonly [call: FaultyCall, count: number])[]): Fault[] {
  return calls.flatMap(([call, count]) =>
    Array.from({ length: count }, (_, index) => FAULT_CODES.map((code): Fault => ({ call, nth: index + 1, code }))).flat(),
  );
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** The system's calls with a fault among them. Without the ring, which makes two of them at once. */
function faulty({ system, polling }: Native, injector: Injector): Native {
  return { system: injector.system(system), polling };
}

/** A connection must work; a failure must name what happened. */
async function checkEnd(t: ExecutionContext, outcome: Outcome, fault: Fault): Promise<string> {
  const what = `${fault.call} ${fault.nth} ${fault.code}`;
  if (outcome.kind === 'connected') {
    t.is(await echo(outcome.socket, 'still'), 'still', what);
    await closed(outcome.socket);
    return 'connected';
  }
  if (outcome.kind !== 'failed') throw new Error(`${what}: ${outcome.kind}`);
  const { code, message, system } = outcome.failure;
  t.true(['BROKER_CONNECT', 'BACKEND_CONNECT', 'FRAME_IO', 'UNEXPECTED_EOF'].includes(code), `${what}: ${code} ${message}`);
  t.is(system?.code, fault.code, `${what}: ${message}`);
  return code;
}

/** Runs the whole schedule, each fault with a driver of its own, and says what came of it. */
async function runSchedule(t: ExecutionContext, faults: readonly Fault[], create: (fault: Fault) => { driver: Driver; injected: () => boolean }): Promise<void> {
  const { broker } = await startSystem(t);
  const ends = new Map<string, number>();
  for (const fault of faults) {
    const before = openDescriptors();
    const { driver, injected } = create(fault);
    const startedMs = performance.now();
    const outcome = await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: DEADLINE_MS }));
    t.true(performance.now() - startedMs < DEADLINE_MS + 50, `${fault.call} ${fault.nth} ${fault.code} took too long`);
    t.true(injected(), `${fault.call} ${fault.nth} was never called`);
    const end = await checkEnd(t, outcome, fault);
    await driver.close();
    t.true(await until(() => broker.openConnections === 0 && openDescriptors() <= before), `${fault.call} ${fault.nth} ${fault.code}: ${openDescriptors() - before} descriptors left`);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  t.log(`${faults.length} faults:`, [...ends].map(([end, count]) => `${count} ${end}`).join(', '));
}

scheduleTest('event-loop driver: each of its calls fails once, with each error', async (t) => {
  if (native === undefined) return t.fail();
  await runSchedule(t, schedule(['openSocket', 2], ['connect', 2], ['send', 1]), (fault) => {
    const injector = new Injector(fault);
    return { driver: new EventLoopDriver(systemClock, faulty(native, injector)), injected: () => injector.injected };
  });
});

scheduleTest('worker driver: what fails on the asking thread is made good by the wait thread', async (t) => {
  if (native === undefined) return t.fail();
  await runSchedule(t, schedule(['openSocket', 1], ['connect', 1], ['send', 1]), (fault) => {
    const injector = new Injector(fault);
    return { driver: new WorkerDriver(faulty(native, injector)), injected: () => injector.injected };
  });
});

scheduleTest('wait thread: each of its calls fails once, with each error', async (t) => {
  if (native === undefined) return t.fail();
  const file = join(temporaryDirectory(t), 'fault.json');
  process.env[FAULT_FILE_VARIABLE] = file;
  await runSchedule(t, schedule(['openSocket', 2], ['connect', 2], ['send', 1], ['watch', 1], ['wait', 1], ['receive', 1], ['close', 1]), (fault) => {
    writeFileSync(file, JSON.stringify(fault));
    // The asking thread gets no socket at all, so that the wait thread makes every call.
    const system = { ...native.system, openSocket: () => -(errno['EMFILE'] ?? 0) };
    return { driver: new WorkerDriver({ system, polling: native.polling }, { workerUrl: WORKER_URL }), injected: () => true };
  });
});

scheduleTest('a dial on the spot: each of its calls fails once, with each error', async (t) => {
  if (native === undefined) return t.fail();
  const { backend } = await startSystem(t);
  for (const fault of schedule(['openSocket', 1], ['connect', 1])) {
    const before = openDescriptors();
    const injector = new Injector(fault);
    const outcome = dialNow(faulty(native, injector), backend.endpoint);
    t.true(injector.injected);
    // A full backlog is left to the dial that waits.
    if (fault.call === 'connect' && fault.code === 'EAGAIN') t.is(outcome, undefined);
    else t.like(outcome, { kind: 'refused', system: { code: fault.code } });
    t.is(openDescriptors(), before);
  }
});

scheduleTest('wait thread: what it is woken by and waits on cannot be had, with each error', async (t) => {
  if (native === undefined) return t.fail();
  const { broker } = await startSystem(t);
  for (const call of ['eventfd', 'epollCreate'] as const) {
    for (const code of FAULT_CODES) {
      const before = openDescriptors();
      const polling = { ...native.polling, [call]: () => -(errno[code] ?? 0) };
      const error = t.throws(() => new WorkerDriver({ ...native, polling }));
      t.like(error, { code: 'WORKER_FAILED' });
      t.regex(error?.message ?? '', new RegExp(code));
      t.is(openDescriptors(), before, `${call} ${code}`);
    }
  }
  t.is(broker.helloCount, 0);
});

scheduleTest('wait thread: a wake-up that fails, with each error, delays a job and does not lose it', async (t) => {
  if (native === undefined) return t.fail();
  const { broker } = await startSystem(t);
  for (const code of FAULT_CODES) {
    let failing = false;
    const polling: Native['polling'] = { ...native.polling, write: (descriptor, bytes) => (failing ? -(errno[code] ?? 0) : native.polling.write(descriptor, bytes)) };
    // Every job is left to the thread, which must hear of it.
    const system = { ...native.system, openSocket: () => -(errno['EMFILE'] ?? 0) };
    const driver = new WorkerDriver({ system, polling });
    const job = (): ReturnType<typeof handshakeJob> => handshakeJob(broker.endpoint, { roundTripTimeoutMs: DEADLINE_MS });
    const first = await run(driver, job());
    failing = true;
    const second = await run(driver, job());
    failing = false;
    for (const outcome of [first, second]) {
      if (outcome.kind !== 'connected') return t.fail(`${code}: ${JSON.stringify(outcome)}`);
      await closed(outcome.socket);
    }
    await driver.close();
  }
  t.is(broker.helloCount, 2 * FAULT_CODES.length);
});
